/*
 * serve/listen.c: see listen.h. Called by server.c at start, listen_address for each connection.
 * Never: steals a port (no SO_REUSEPORT), or says more of the holder of one than what /proc tells
 * this user.
 */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG 512

static bool cut_prefix(span *text, const char *prefix)
{
    span p = span_text(prefix);
    if (!span_equal_nocase(span_first(*text, p.len), p))
        return false;
    *text = span_from(*text, p.len);
    return true;
}

sk_code listen_parse(span text, listen_spec *ret, err *e)
{
    span whole = span_first(text, 100);
    listen_spec s = {0};
    if (cut_prefix(&text, "xray-udp://"))
        return err_set(e, SK_UNIMPLEMENTED, "--listen %.*s: xray-udp is not in this version",
                       SPAN_FMT(whole));
    if (cut_prefix(&text, "tls://"))
        s.is_tls = true;
    else
        (void)cut_prefix(&text, "tcp://");
    if (span_contains(text, SPAN("://")))
        return err_set(e, SK_BAD_INPUT, "--listen %.*s: the scheme is tcp:// or tls://, or none",
                       SPAN_FMT(whole));
    size_t colon = text.len;
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon == 0 || !span_to_u64(span_from(text, colon), &port) || port > 65535)
        return err_set(e, SK_BAD_INPUT,
                       "--listen %.*s: write [tcp://|tls://]HOST:PORT, as in 127.0.0.1:4318; a "
                       "port is a number up to 65535",
                       SPAN_FMT(whole));
    span host = span_first(text, colon - 1);
    bool is_bracketed = host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
    if (is_bracketed)
        host = (span){host.at + 1, host.len - 2};
    else if (span_contains(host, SPAN(":")) || span_contains(host, SPAN("/")))
        return err_set(e, SK_BAD_INPUT,
                       "--listen %.*s: an IPv6 address stands in brackets, as in [::1]:4318",
                       SPAN_FMT(whole));
    if (host.len >= sizeof s.host)
        return err_set(e, SK_BAD_INPUT, "--listen %.*s: the host name is too long",
                       SPAN_FMT(whole));
    if (!span_is(host, "*") && host.len > 0)
        memcpy(s.host, host.at, host.len);
    snprintf(s.port, sizeof s.port, "%u", (unsigned)port);
    *ret = s;
    return SK_OK;
}

void listen_address(const struct sockaddr *a, http_address *ret)
{
    char host[INET6_ADDRSTRLEN] = "?";
    *ret = (http_address){0};
    if (a->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        ret->is_loopback = ntohl(in.sin_addr.s_addr) >> 24 == 127;
        snprintf(ret->text, sizeof ret->text, "%s:%u", host, ntohs(in.sin_port));
    } else if (a->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, a, sizeof in);
        if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
            inet_ntop(AF_INET, in.sin6_addr.s6_addr + 12, host, sizeof host);
            ret->is_loopback = in.sin6_addr.s6_addr[12] == 127;
            snprintf(ret->text, sizeof ret->text, "%s:%u", host, ntohs(in.sin6_port));
            return;
        }
        inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        ret->is_loopback = IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
        snprintf(ret->text, sizeof ret->text, "[%s]:%u", host, ntohs(in.sin6_port));
    }
}

/* ---- who holds a port ---- */

/* The inode of the socket that listens on `port` by this table ("/proc/net/tcp" or tcp6); 0 = none.
 */
static unsigned long listening_inode(const char *table, unsigned port)
{
    FILE *f = fopen(table, "re");
    char line[512];
    unsigned long found = 0;
    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned local_port, state;
        unsigned long inode;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == 0x0a)
            found = inode;
    }
    if (f)
        fclose(f);
    return found;
}

static bool process_has(const char *pid, unsigned long inode)
{
    char path[300], wanted[40], target[64];
    snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *d; dir && !found && (d = readdir(dir));) {
        snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", pid, d->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len > 0 ? len : 0] = 0;
        found = strcmp(target, wanted) == 0;
    }
    if (dir)
        closedir(dir);
    return found;
}

static void name_holder(unsigned port, char *out, size_t room)
{
    unsigned long inode = listening_inode("/proc/net/tcp", port);
    if (!inode)
        inode = listening_inode("/proc/net/tcp6", port);
    snprintf(out, room, "another process");
    DIR *proc = inode ? opendir("/proc") : NULL;
    for (struct dirent *d; proc && (d = readdir(proc));) {
        if (!isdigit((unsigned char)d->d_name[0]) || !process_has(d->d_name, inode))
            continue;
        char path[64], name[32] = "?";
        snprintf(path, sizeof path, "/proc/%.20s/comm", d->d_name);
        FILE *f = fopen(path, "re");
        if (f && fgets(name, sizeof name, f))
            name[strcspn(name, "\n")] = 0;
        if (f)
            fclose(f);
        snprintf(out, room, "%s (pid %.20s)", name, d->d_name);
        break;
    }
    if (proc)
        closedir(proc);
}

/* ---- sockets ---- */

static sk_code explain_bind(int error, const struct addrinfo *a, err *e)
{
    http_address address;
    listen_address(a->ai_addr, &address);
    if (error == EADDRINUSE) {
        char holder[80];
        const char *port = strrchr(address.text, ':');
        name_holder(port ? (unsigned)strtoul(port + 1, NULL, 10) : 0, holder, sizeof holder);
        return err_set(e, SK_CONFLICT, "%s is taken by %s", address.text, holder);
    }
    if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT)
        return err_set(e, SK_UNPROCESSABLE, "%s is not an address of this machine", address.text);
    if (error == EACCES)
        return err_set(e, SK_FORBIDDEN,
                       "%s: ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)",
                       address.text);
    return err_set(e, SK_IO, "cannot listen on %s: %s", address.text, strerrordesc_np(error));
}

static sk_code open_one(const struct addrinfo *a, bool is_any, bool is_tls, listener *ret, err *e)
{
    int one = 1, zero = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return explain_bind(errno, a, e);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? &zero : &one, sizeof one);
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)&bound, &len)) {
        int error = errno;
        close(fd);
        return explain_bind(error, a, e);
    }
    *ret = (listener){.fd = fd, .is_tls = is_tls};
    listen_address((const struct sockaddr *)&bound, &ret->address);
    return SK_OK;
}

static sk_code resolve(const listen_spec *s, struct addrinfo **ret, err *e)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    int failed = getaddrinfo(s->host[0] ? s->host : "::", s->port, &hints, ret);
    return failed ? err_set(e, SK_UNPROCESSABLE, "cannot listen on %s: %s", s->host,
                            gai_strerror(failed))
                  : SK_OK;
}

sk_code listen_check(const listen_spec *s, err *e)
{
    struct addrinfo *found = NULL;
    sk_code code = resolve(s, &found, e);
    if (found)
        freeaddrinfo(found);
    return code;
}

sk_code listen_open(const listen_spec *s, listener *listeners, uint32_t *count, err *e)
{
    struct addrinfo *found = NULL;
    bool is_any = s->host[0] == 0;
    sk_code code = resolve(s, &found, e);
    for (struct addrinfo *a = found; a && !code; a = a->ai_next) {
        if (*count == LISTENERS_MAX)
            code = err_set(e, SK_TOO_LARGE, "at most %u listeners", LISTENERS_MAX);
        else if (!(code = open_one(a, is_any, s->is_tls, &listeners[*count], e)))
            ++*count;
    }
    freeaddrinfo(found);
    if (code == SK_UNPROCESSABLE && is_any) { /* no IPv6 here */
        listen_spec v4 = *s;
        memcpy(v4.host, "0.0.0.0", 8);
        return listen_open(&v4, listeners, count, e);
    }
    return code;
}
