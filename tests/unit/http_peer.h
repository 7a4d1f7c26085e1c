/*
 * tests/unit/http_peer.h: an HTTP server of a few lines on a port of its own: each connection in turn is answered with the
 * next of the given texts and closed. What the last one sent is kept.
 */
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "check.h"

typedef struct peer {
    int listener, port;
    const char *const *says; /* NULL: nothing, ever */
    uint32_t count;
    int hang_up_fd[2]; /* closing [1] ends a peer that says nothing */
    char heard[8192];
    thread runs;
} peer;

static bool peer__hear(peer *p, int s)
{
    size_t len = 0;
    while (len + 1 < sizeof p->heard) {
        ssize_t got = read(s, p->heard + len, sizeof p->heard - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        p->heard[len] = 0;
        const char *end = strstr(p->heard, "\r\n\r\n"),
                   *length = strstr(p->heard, "Content-Length: ");
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (end && len >= (size_t)(end - p->heard) + 4 + body)
            return true;
    }
    return true;
}

static void peer__serve(void *ctx)
{
    peer *p = ctx;
    for (uint32_t i = 0; i < p->count; i++) {
        int s = accept(p->listener, NULL, NULL);
        if (s < 0)
            return;
        peer__hear(p, s);
        for (size_t done = 0, all = p->says ? strlen(p->says[i]) : 0; done < all;) {
            ssize_t wrote = send(s, p->says[i] + done, all - done, MSG_NOSIGNAL);
            if (wrote <= 0)
                break;
            done += (size_t)wrote;
        }
        struct pollfd ends = {.fd = p->hang_up_fd[0], .events = POLLIN};
        if (!p->says)
            poll(&ends, 1, -1);
        close(s);
    }
}

static maybe_unused void peer_start(peer *p, const char *const *says, uint32_t count)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    *p = (peer){.says = says, .count = count};
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(p->listener, 4), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(pipe(p->hang_up_fd), 0);
    p->port = ntohs(at.sin_port);
    assert_true(thread_start(&p->runs, "peer", peer__serve, p));
}

static maybe_unused void peer_finish(peer *p)
{
    close(p->hang_up_fd[1]);
    shutdown(p->listener, SHUT_RDWR); /* ends an accept that is still waited in */
    thread_join(&p->runs);
    close(p->hang_up_fd[0]);
    close(p->listener);
}

#endif
