/*
 * tests/unit/cli_api.c: calls of the API against a peer of a few lines: exit codes, keys, server-sent events however they
 * are cut.
 */
#include "cli/api.h"
#include "cli_fixed.h"
#include "http_peer.h"

#define OK_JSON                                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "   \
    "8\r\n\r\n{\"a\":1} "
#define REFUSED(status)                                                                            \
    "HTTP/1.1 " status " No\r\nConnection: close\r\nContent-Length: "                              \
    "32\r\n\r\n{\"error\":\"bad\\u001b\",\"code\":\"x\"}"

typedef struct fixture {
    cli c;
    peer p;
    int talk[2];
} fixture;

static void begin(fixture *f, const char *const *says, uint32_t count)
{
    static const command none = {.name = "test"};
    *f = (fixture){.c = {.command = &none, .mem = arena_new(4 * MIB), .http = http_client_new()}};
    peer_start(&f->p, says, count);
    span url = arena_print(f->c.mem, "http://127.0.0.1:%d", f->p.port);
    f->c.url = (const char *)url.at;
    f->c.out = fixed_term(0, true);
    f->c.talk = fixed_term(0, true);
    assert_int_equal(pipe(f->talk), 0);
    f->c.talk.fd = f->talk[1];
}

static void end(fixture *f)
{
    peer_finish(&f->p);
    close(f->talk[0]);
    close(f->talk[1]);
    fixed_done(&f->c.out);
    fixed_done(&f->c.talk);
    http_client_free(f->c.http);
    arena_free(f->c.mem);
}

/* What was said on stderr, NUL-terminated. */
static void read_talk(fixture *f, char *text, size_t size)
{
    term_flush(&f->c.talk);
    ssize_t len = read(f->talk[0], text, size - 1);
    text[len > 0 ? len : 0] = 0;
}

static int get(fixture *f, const node **ret)
{
    api_path path;
    api_path_init(&path, "/skep/v1/status");
    return api_get(&f->c, &path, NULL, ret);
}

static void replies_become_exit_codes(void **state)
{
    static const struct {
        const char *name, *says;
        int code;
        const char *talk;
    } rows[] = {{"ok", OK_JSON, EXIT_OK, NULL},
                {"usage", REFUSED("400"), EXIT_USAGE, "skep: bad\\x1b (400)\n"},
                {"cannot be run", REFUSED("422"), EXIT_USAGE, "(422)"},
                {"no key", REFUSED("401"), EXIT_AUTH, "no key was sent"},
                {"may not", REFUSED("403"), EXIT_AUTH, "(403)"},
                {"not there", REFUSED("404"), EXIT_FAILED, "(404)"},
                {"busy", REFUSED("503"), EXIT_FAILED, "(503)"},
                {"a redirect", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
                 EXIT_FAILED, "no reason was given (302)"},
                {"no JSON", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<>", EXIT_FAILED,
                 "cannot be read"},
                {"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", EXIT_UNREACHABLE,
                 "skep serve"}};
    EACH_ROW(row, rows)
    {
        fixture f;
        const node *reply = NULL;
        char talk[1024];
        begin(&f, &row->says, 1);
        assert_int_equal(get(&f, &reply), row->code);
        if (row->talk) {
            read_talk(&f, talk, sizeof talk);
            if (!strstr(talk, row->talk)) {
                print_error("said: %s\n", talk);
                fail();
            }
        } else {
            assert_int_equal(node_count(node_get(reply, "a")), 1);
        }
        end(&f);
    }
}

static void a_found_key_may_be_left_out(void **state)
{
    static const char *const refused_once[] = {REFUSED("401"), OK_JSON};
    fixture f;
    const node *reply;
    begin(&f, refused_once, 2);
    f.c.key = "of another server";
    f.c.key_from = "keys.json";
    assert_int_equal(get(&f, &reply), EXIT_OK);
    assert_null(strstr(f.p.heard, "X-Honeycomb-Team")); /* the second request */
    end(&f);

    char talk[1024];
    begin(&f, refused_once, 2);
    f.c.key = "mine";
    f.c.key_from = "SKEP_KEY";
    f.c.key_was_given = true; /* what the user gave is never silently dropped */
    assert_int_equal(get(&f, &reply), EXIT_AUTH);
    read_talk(&f, talk, sizeof talk);
    assert_non_null(strstr(talk, "the key came from SKEP_KEY"));
    assert_null(strstr(talk, "mine"));
    end(&f);
}

typedef struct heard {
    char text[512];
    uint32_t count, stop_at;
} heard;

static bool hear(void *ctx, span event, span data)
{
    heard *h = ctx;
    size_t len = strlen(h->text);
    snprintf(h->text + len, sizeof h->text - len, "%.*s=%.*s;", SPAN_FMT(event), SPAN_FMT(data));
    return ++h->count != h->stop_at;
}

/* The same stream in chunks of every size, so that every cut is tried. */
static void events_may_be_cut_anywhere(void **state)
{
    static const char stream[] =
        ": hello\n\nevent: a\ndata: {\"x\":1}\n\ndata: two\n\nevent: b\ndata:three\n\n"
        "event: cut\ndata: off";
    for (size_t size = 1; size <= sizeof stream; size++) {
        fixture f;
        heard h = {.text = ""};
        buf says;
        buf_init(&says, 64 * KIB);
        buf_add_text(&says, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at + 1 < sizeof stream; at += size) {
            size_t len = sizeof stream - 1 - at < size ? sizeof stream - 1 - at : size;
            buf_print(&says, "%zx\r\n%.*s\r\n", len, (int)len, stream + at);
        }
        buf_add(&says, "0\r\n\r\n", 6);
        const char *text = (const char *)says.at;
        begin(&f, &text, 1);
        api_path path;
        api_stream s = {.each = hear, .ctx = &h};
        api_path_init(&path, "/skep/v1/tail");
        assert_int_equal(api_stream_run(&f.c, "GET", &path, (span){NULL, 0}, &s), EXIT_OK);
        assert_string_equal(h.text, "a={\"x\":1};message=two;b=three;");
        end(&f);
        buf_done(&says);
    }
}

static void a_stream_can_be_ended(void **state)
{
    static const char *const says[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ndata: 1\n\ndata: 2\n\ndata: 3\n\n"};
    fixture f;
    heard h = {.stop_at = 2};
    begin(&f, says, 1);
    api_path path;
    api_stream s = {.each = hear, .ctx = &h};
    api_path_init(&path, "/skep/v1/tail");
    assert_int_equal(api_stream_run(&f.c, "GET", &path, (span){NULL, 0}, &s), EXIT_OK);
    assert_string_equal(h.text, "message=1;message=2;");
    end(&f);
}

TEST_GROUP(cli_api, TEST(replies_become_exit_codes), TEST(a_found_key_may_be_left_out),
           TEST(events_may_be_cut_anywhere), TEST(a_stream_can_be_ended));
