/*
 * tests/unit/cli_options.c: flags, variables and the user's file, and which of them wins; every command's table.
 */
#include <sys/stat.h>

#include "cli/api.h"
#include "cli/options.h"
#include "cli_fixed.h"

typedef struct own {
    bool chart;
    const char *dataset;
    int64_t every_ns;
    double rate;
} own;

static const cli_option own_options[] = {
    {"chart", 'c', OPTION_FLAG, offsetof(own, chart), NULL, ""},
    {"dataset", 'd', OPTION_TEXT, offsetof(own, dataset), "NAME", ""},
    {"every", 0, OPTION_DURATION, offsetof(own, every_ns), "TIME", ""},
    {"rate", 0, OPTION_NUMBER, offsetof(own, rate), "N", ""},
    {NULL, 0, OPTION_FLAG, 0, NULL, NULL}};
static const command test_command = {.name = "test", .options = own_options};

typedef struct fixture {
    cli c;
    own o;
    int code;
} fixture;

static void parse(fixture *f, const char *line)
{
    char *argv[16];
    int argc = 0;
    *f = (fixture){.c = {.command = &test_command, .mem = arena_new(1 * MIB)}};
    f->c.talk = fixed_term(0, true);
    f->c.out = fixed_term(0, true);
    f->c.out.is_gone = f->c.talk.is_gone = true; /* flushing forgets */
    span copy = arena_print(f->c.mem, "%s", line);
    for (span rest = span_of(copy.at, copy.len), word; rest.at;) {
        word = span_cut(&rest, ' ');
        ((uint8_t *)(uintptr_t)word.at)[word.len] = 0;
        if (word.len)
            argv[argc++] = (char *)(uintptr_t)word.at;
    }
    f->code = options_parse(&f->c, &f->o, argc, argv);
}

static void done(fixture *f)
{
    fixed_done(&f->c.talk);
    fixed_done(&f->c.out);
    arena_free(f->c.mem);
}

static void flags_may_stand_anywhere(void **state)
{
    fixture f;
    setenv("XDG_CONFIG_HOME", check_dir(), 1);
    parse(&f, "one --json -n 5 two --dataset=shop -c --every 500ms --rate 2.5 -q -- --three -");
    assert_int_equal(f.code, EXIT_OK);
    assert_int_equal(f.c.word_count, 4);
    assert_string_equal(f.c.words[2], "--three");
    assert_string_equal(f.c.words[3], "-");
    assert_true(f.c.json && f.c.quiet && f.o.chart);
    assert_int_equal(f.c.limit, 5);
    assert_string_equal(f.o.dataset, "shop");
    assert_int_equal(f.o.every_ns, 500 * NS_PER_MS);
    check_near(f.o.rate, 2.5, 0);
    done(&f);
    parse(&f, "-n7 --chart=false -dx");
    assert_int_equal(f.c.limit, 7);
    assert_false(f.o.chart);
    assert_string_equal(f.o.dataset, "x");
    done(&f);
}

static void mistakes_are_usage(void **state)
{
    static const char *const lines[] = {"--lmit 3",    "--nothing-like-it", "-z",
                                        "--limit",     "--limit many",      "--every 5",
                                        "--color red", "--rate fast",       "-qx"};
    setenv("XDG_CONFIG_HOME", check_dir(), 1);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        fixture f;
        parse(&f, lines[i]);
        assert_int_equal(f.code, EXIT_USAGE);
        done(&f);
    }
}

static void write_file(const char *folder, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/skep", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/skep/cli.yaml", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void the_nearest_place_wins(void **state)
{
    fixture f;
    setenv("XDG_CONFIG_HOME", check_dir(), 1);
    write_file(check_dir(), "# mine\nurl: http://file:1\nenv: \"from file\"\nlimit: 3\n\n");
    parse(&f, "");
    assert_int_equal(f.code, EXIT_OK);
    assert_string_equal(f.c.url, "http://file:1");
    assert_string_equal(f.c.env, "from file");
    assert_int_equal(f.c.limit, 3);
    done(&f);
    setenv("SKEP_URL", "http://variable:2", 1);
    setenv("SKEP_LIMIT", "4", 1);
    parse(&f, "--limit 5");
    assert_string_equal(f.c.url, "http://variable:2");
    assert_string_equal(f.c.env, "from file");
    assert_int_equal(f.c.limit, 5);
    done(&f);
    setenv("SKEP_LIMIT", "x", 1);
    parse(&f, "");
    assert_int_equal(f.code, EXIT_USAGE);
    done(&f);
    unsetenv("SKEP_URL");
    unsetenv("SKEP_LIMIT");
    write_file(check_dir(), "key: secret\n"); /* not in a file that anybody may read */
    parse(&f, "");
    assert_int_equal(f.code, EXIT_USAGE);
    assert_null(f.c.key);
    done(&f);
}

static void keys_come_from_the_local_server(void **state)
{
    fixture f;
    char path[400];
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    unsetenv("SKEP_KEY");
    snprintf(path, sizeof path, "%s/meta", check_dir());
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/meta/keys.json", check_dir());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"dev\":{\"ingest\":\"i\",\"full\":\"devkey\"},\"demo\":{\"full\":\"demokey\"}}", file);
    fclose(file);
    static const struct {
        const char *name, *line, *key;
    } rows[] = {
        {"dev by default", "--data-dir %s", "devkey"},
        {"the environment's own", "--data-dir %s --env demo", "demokey"},
        {"dev's reaches the others", "--data-dir %s --env staging", "devkey"},
        {"given keys win", "--data-dir %s --key mine", "mine"},
        {"never to another machine", "--data-dir %s --url https://skep.example", NULL},
        {"a look-alike is another machine", "--data-dir %s --url http://localhost.example", NULL},
        {"loopback 6", "--data-dir %s --url http://[::1]:8080/", "devkey"},
        {"no scheme", "--data-dir %s --url localhost:9", "devkey"},
        {"the keys file itself", "--keys-file %s/meta/keys.json --env demo", "demokey"}};
    EACH_ROW(row, rows)
    {
        char line[500];
        snprintf(line, sizeof line, row->line, check_dir());
        parse(&f, line);
        assert_int_equal(f.code, EXIT_OK);
        assert_int_equal(api_prepare(&f.c), EXIT_OK);
        if (row->key)
            assert_string_equal(f.c.key, row->key);
        else
            assert_null(f.c.key);
        done(&f);
    }
    parse(&f, "--url localhost:9/");
    assert_int_equal(api_prepare(&f.c), EXIT_OK);
    assert_string_equal(f.c.url, "http://localhost:9");
    done(&f);
}

static void durations_and_times(void **state)
{
    int64_t ns;
    assert_true(options_duration(SPAN("1.5h"), &ns) && ns == 5400 * NS_PER_S);
    assert_true(options_duration(SPAN("2w"), &ns) && ns == 1209600 * NS_PER_S);
    static const char *const wrong[] = {"", "5", "s", "5x", "-5s", "99999999w", "1.2.3s"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(options_duration(span_text(wrong[i]), &ns));
    const int64_t now = 1795341600 * NS_PER_S;
    assert_true(api_time(SPAN("10m"), now, &ns) && ns == now - 600 * NS_PER_S);
    assert_true(api_time(SPAN("2026-11-22T08:00:00Z"), now, &ns) && ns == 1795334400 * NS_PER_S);
    assert_true(api_time(SPAN("1795334400"), now, &ns) && ns == 1795334400 * NS_PER_S);
    assert_true(api_time(SPAN("now"), now, &ns) && ns == now);
    assert_false(api_time(SPAN("yesterday"), now, &ns));
    assert_false(api_time(SPAN("-5"), now, &ns));
}

static void paths_are_encoded(void **state)
{
    api_path p;
    api_path_init(&p, "/skep/v1/environments");
    api_path_segment(&p, SPAN("a/b ?"));
    api_path_query(&p, "x", SPAN("1&2=\xc3\xbc"));
    api_path_query(&p, "nothing", span_text(NULL));
    api_path_query(&p, "y", SPAN(""));
    check_text(buf_span(&p.text), "/skep/v1/environments/a%2Fb%20%3F?x=1%262%3D%C3%BC&y=");
    api_path_done(&p);
}

/* What --help promises: examples, a usage line, options that have help, and no letter or name twice. */
static void every_command_is_complete(void **state)
{
    const command *cmd;
    size_t i = 0;
    for (; (cmd = command_at(i)); i++) {
        assert_true(cmd->name[0] && cmd->summary[0] && cmd->usage[0] && cmd->run);
        assert_int_equal(
            strncmp(cmd->examples, "  skep ", 7) == 0 || strstr(cmd->examples, "skep ") != NULL, 1);
        assert_int_equal(cmd->examples[strlen(cmd->examples) - 1], '\n');
        for (const cli_option *o = cmd->options; o && o->name; o++) {
            assert_true(o->help[0] && o->offset < cmd->own_bytes);
            assert_int_equal(o->kind != OPTION_FLAG, o->takes != NULL);
            for (const cli_option *other = common_options; other->name; other++)
                assert_string_not_equal(o->name, other->name);
        }
    }
    assert_true(i >= 11);
}

TEST_GROUP(cli_options, TEST(flags_may_stand_anywhere), TEST(mistakes_are_usage),
           TEST(the_nearest_place_wins), TEST(keys_come_from_the_local_server),
           TEST(durations_and_times), TEST(paths_are_encoded), TEST(every_command_is_complete));
