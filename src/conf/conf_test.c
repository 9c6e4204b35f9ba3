/* The options: sources and their order, what is refused and how it is said, what is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

/* One run of conf_load and what it printed. */
struct run {
    enum conf_outcome outcome;
    struct conf *conf;
    char *out;
    char *err;
};

static struct run run_with(char **argv, char **envp) {
    struct run r = {0};
    size_t out_n = 0;
    size_t err_n = 0;
    FILE *out = open_memstream(&r.out, &out_n);
    FILE *err = open_memstream(&r.err, &err_n);
    assert_non_null(out);
    assert_non_null(err);
    int argc = 0;
    while (argv[argc]) {
        argc++;
    }
    r.outcome = conf_load(argc, argv, envp, &r.conf, out, err);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(err), 0);
    assert_int_equal(r.outcome == CONF_RUN, r.conf != NULL);
    return r;
}

static void run_end(struct run *r) {
    conf_free(r->conf);
    free(r->out);
    free(r->err);
}

/* Argument vectors are arrays of char *, as main gets them; the zeroes after the last end them. */
#define ARGS(...) ((char *[16]){A("collabd"), __VA_ARGS__})
#define A(s)      ((char *)(uintptr_t)(s))
#define ENV(...)  ((char *[16]){__VA_ARGS__})

/* The start is refused, and the message has all of these words. */
static void refused(char **argv, char **envp, const char *const *words) {
    struct run r = run_with(argv, envp);
    assert_int_equal(r.outcome, CONF_EXIT_ERROR);
    for (; *words; words++) {
        if (!strstr(r.err, *words)) {
            fail_msg("\"%s\" is missing in: %s", *words, r.err);
        }
    }
    run_end(&r);
}

#define REFUSED(argv, envp, ...) refused(argv, envp, (const char *const[]){__VA_ARGS__, NULL})

static void defaults_serve_in_development_mode(void **state) {
    (void)state;
    struct run r = run_with(ARGS(A("--dev")), ENV());
    assert_int_equal(r.outcome, CONF_RUN);
    assert_int_equal(r.conf->port, 3005);
    assert_string_equal(r.conf->host, "127.0.0.1");
    assert_true(r.conf->dev);
    assert_true(r.conf->room_auto_create);
    assert_in_range(r.conf->workers, 1, 64);
    assert_int_equal(r.conf->max_update_bytes, 32768);
    assert_int_equal(r.conf->max_frame_bytes, 8388608);
    assert_int_equal(r.conf->room_cap, 500);
    assert_int_equal(r.conf->log_level, 1);
    assert_null(r.conf->jwt_secret);
    assert_string_equal(r.err, "");
    run_end(&r);
}

static void without_keys_it_serves_only_in_development_mode(void **state) {
    (void)state;
    REFUSED(ARGS(), ENV(), "tokens", "JWT_SECRET", "--dev", "loopback");
    REFUSED(ARGS(), ENV(A("JWT_SECRET=short")), "JWT_SECRET", "32");
    REFUSED(ARGS(A("--dev"), A("--host"), A("0.0.0.0")), ENV(), "--host 0.0.0.0", "loopback");
    REFUSED(ARGS(A("--dev")), ENV(A("COLLAB_HOST=192.168.1.4")), "COLLAB_HOST=192.168.1.4",
            "127.0.0.1");
    char *const hosts[] = {A("127.0.0.9"), A("::1"), A("localhost")};
    for (size_t i = 0; i < 3; i++) {
        struct run r = run_with(ARGS(A("--dev"), A("--host"), hosts[i]), ENV());
        assert_int_equal(r.outcome, CONF_RUN);
        run_end(&r);
    }
}

static char *temp_file(const char *text) {
    char *path = strdup("/tmp/collabd-conf-XXXXXX");
    assert_non_null(path);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
    return path;
}

static void drop_file(char *path) {
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void later_sources_win(void **state) {
    (void)state;
    char *path =
        temp_file("# a comment\n\nport = 4000 ; said here\nworkers=3\nroom-cap = 7\ndev = yes\n");
    struct run r = run_with(ARGS(A("--config"), path, A("--workers=5")),
                            ENV(A("COLLAB_ROOM_CAP=8"), A("COLLAB_WORKERS=4"), A("COLLAB_HOST=")));
    assert_int_equal(r.outcome, CONF_RUN);
    assert_int_equal(r.conf->port, 4000);
    assert_int_equal(r.conf->room_cap, 8);
    assert_int_equal(r.conf->workers, 5);
    assert_true(r.conf->dev);
    assert_string_equal(r.conf->host, "127.0.0.1");
    run_end(&r);

    char env[200];
    assert_true(snprintf(env, sizeof env, "COLLAB_CONFIG=%s", path) > 0);
    r = run_with(ARGS(A("--no-room-auto-create")), ENV(env));
    assert_int_equal(r.outcome, CONF_RUN);
    assert_int_equal(r.conf->port, 4000);
    assert_false(r.conf->room_auto_create);
    run_end(&r);
    drop_file(path);
}

static void sizes_take_suffixes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {{"64", 64},      {"64K", 65536},  {"1MiB", 1048576},
                 {"2m", 2097152}, {"16kB", 16384}, {"67108864", 67108864}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run r = run_with(ARGS(A("--dev"), A("--max-update-bytes"), A(cases[i].text)), ENV());
        assert_int_equal(r.outcome, CONF_RUN);
        assert_int_equal(r.conf->max_update_bytes, cases[i].bytes);
        run_end(&r);
    }
}

static void wrong_values_say_what_would_be_right(void **state) {
    (void)state;
    REFUSED(ARGS(A("--port"), A("abc")), ENV(), "--port abc", "whole number from 0 to 65535");
    REFUSED(ARGS(A("--port"), A("65536")), ENV(), "--port 65536", "too large");
    REFUSED(ARGS(A("--port"), A("-1")), ENV(), "--port -1", "whole number");
    REFUSED(ARGS(A("--port"), A("3005x")), ENV(), "not a whole number");
    REFUSED(ARGS(A("--port"), A("99999999999999999999999")), ENV(), "too large");
    REFUSED(ARGS(A("--port=")), ENV(), "--port", "whole number");
    REFUSED(ARGS(A("--port"), A("3001")), ENV(), "3001", "0 for any free port");
    REFUSED(ARGS(), ENV(A("COLLAB_PORT=3001")), "COLLAB_PORT=3001", "other services");
    REFUSED(ARGS(), ENV(A("COLLAB_WORKERS=0")), "COLLAB_WORKERS=0", "too small", "--workers",
            "from 1 to 64");
    REFUSED(ARGS(A("--max-update-bytes"), A("9Z")), ENV(), "not a size", "64 to 64M");
    REFUSED(ARGS(A("--max-update-bytes"), A("17179869184G")), ENV(), "too large");
    REFUSED(ARGS(A("--max-update-bytes"), A("1Ki")), ENV(), "not a size");
    REFUSED(ARGS(A("--log-level"), A("loud")), ENV(), "debug, info, warn or error");
    REFUSED(ARGS(A("--dev=maybe")), ENV(), "true or false");
    REFUSED(ARGS(A("--host"), A("example.org")), ENV(), "--host example.org", "IPv4 or IPv6");
    REFUSED(ARGS(A("--metrics-addr"), A("9464")), ENV(), "[::1]:9464");
    REFUSED(ARGS(A("--metrics-addr"), A("127.0.0.1:99999")), ENV(), "with a port");
    REFUSED(ARGS(A("--metrics-addr"), A("::1:99")), ENV(), "with a port");
    REFUSED(ARGS(A("--metrics-addr"), A("127.0.0.1:3001")), ENV(), "with a port");
    REFUSED(ARGS(A("--redis-url"), A("a\nb")), ENV(), "control character");
    struct run r = run_with(ARGS(A("--dev"), A("--metrics-addr"), A("[::1]:0")), ENV());
    assert_int_equal(r.outcome, CONF_RUN);
    run_end(&r);
}

static void unknown_flags_are_refused_with_the_nearest(void **state) {
    (void)state;
    REFUSED(ARGS(A("--prot"), A("1")), ENV(), "--prot", "no such option", "--port");
    REFUSED(ARGS(A("--max-udpate-bytes=1")), ENV(), "--max-update-bytes");
    REFUSED(ARGS(A("--no-port")), ENV(), "no such option");
    REFUSED(ARGS(A("--port")), ENV(), "needs a value");
    REFUSED(ARGS(A("serve")), ENV(), "serve: not an option");
    REFUSED(ARGS(A("--version=2")), ENV(), "takes no value");
    struct run r = run_with(ARGS(A("--xyzzyxyzzy")), ENV());
    assert_int_equal(r.outcome, CONF_EXIT_ERROR);
    assert_null(strstr(r.err, "meant"));
    run_end(&r);
}

static void misspelt_variables_are_noted(void **state) {
    (void)state;
    struct run r = run_with(ARGS(A("--dev")), ENV(A("COLLAB_PROT=1"), A("COLLAB_SERVICE_HOST=x")));
    assert_int_equal(r.outcome, CONF_RUN);
    assert_non_null(strstr(r.err, "COLLAB_PROT in the environment is not an option"));
    assert_non_null(strstr(r.err, "COLLAB_PORT"));
    assert_null(strstr(r.err, "COLLAB_SERVICE_HOST"));
    run_end(&r);
}

static void file_refused(const char *text, const char *place, const char *words) {
    char *path = temp_file(text);
    char where[200];
    assert_true(snprintf(where, sizeof where, "%s%s", path, place) > 0);
    REFUSED(ARGS(A("--dev"), A("--config"), path), ENV(), where, words);
    drop_file(path);
}

static void errors_in_a_file_have_line_numbers(void **state) {
    (void)state;
    file_refused("port = 4000\nprot = 3\n", ":2:", "Is port meant?");
    file_refused("\n\nport = x\n", ":3: port = x", "whole number");
    file_refused("port = 4000\nworkers = 2\nport = 5\n", ":3:", "given before, in line 1");
    file_refused("just words\n", ":1:", "name = value");
    file_refused("[network]\nport = 1\n", ":2:", "no sections");
    file_refused("jwt-secret = 0123456789012345678901234567890123456789\tcd\n",
                 ":1: jwt-secret = (secret)", "control character");
    char text[400] = "allowed-origins = ";
    memset(text + strlen(text), 'o', 300);
    file_refused(text, ":1:", "too long");
    REFUSED(ARGS(A("--config"), A("/nonexistent/collabd.conf")), ENV(), "/nonexistent/collabd.conf",
            "No such file");
}

static void print_config_masks_secrets_and_reads_back(void **state) {
    (void)state;
    char *envp[] = {A("JWT_SECRET=hunter2hunter2hunter2hunter2hunter2"),
                    A("REDIS_URL=redis://:pw@h"), A("COLLAB_STORE=postgres://u:pw@h/d"),
                    A("COLLAB_MAX_SYNC_BYTES=5M"), NULL};
    struct run r = run_with(ARGS(A("--print-config"), A("--dev"), A("--port"), A("4321")), envp);
    assert_int_equal(r.outcome, CONF_EXIT_OK);
    assert_null(strstr(r.out, "hunter2"));
    assert_null(strstr(r.out, ":pw@"));
    assert_non_null(strstr(r.out, "environment JWT_SECRET"));
    assert_non_null(strstr(r.out, "flag --port"));
    assert_non_null(strstr(r.out, "max-sync-bytes = 5M"));
    assert_non_null(strstr(r.out, "; default"));

    char *path = temp_file(r.out);
    struct run again = run_with(ARGS(A("--config"), path), ENV());
    assert_int_equal(again.outcome, CONF_RUN);
    assert_int_equal(again.conf->port, 4321);
    assert_int_equal(again.conf->max_sync_bytes, 5242880);
    assert_true(again.conf->dev);
    drop_file(path);
    run_end(&again);
    run_end(&r);
}

static void everything_generated_names_every_option(void **state) {
    (void)state;
    char *const asked[] = {A("--help"), A("--print-man"), A("--print-docs"),
                           A("--print-completion=bash"), A("--print-completion=zsh")};
    static const char *const flags[] = {
#define OPTION(field, flag, ...) flag,
#include "conf/options.def"
#undef OPTION
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        /* A wrong environment does not stop who asks for help. */
        struct run r = run_with(ARGS(asked[i]), ENV(A("COLLAB_PORT=x")));
        assert_int_equal(r.outcome, CONF_EXIT_OK);
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
            /* The manual page writes dashes as \- */
            char word[64] = "";
            size_t n = 0;
            for (const char *p = flags[f]; *p; p++) {
                if (*p == '-' && i == 1) {
                    word[n++] = '\\';
                }
                word[n++] = *p;
            }
            if (!strstr(r.out, word)) {
                fail_msg("%s does not name %s", asked[i], word);
            }
        }
        run_end(&r);
    }
    REFUSED(ARGS(A("--print-completion"), A("fish")), ENV(), "bash or zsh");
    struct run r = run_with(ARGS(A("-V")), ENV());
    assert_int_equal(strncmp(r.out, "collabd ", 8), 0);
    run_end(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_serve_in_development_mode),
        cmocka_unit_test(without_keys_it_serves_only_in_development_mode),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(sizes_take_suffixes),
        cmocka_unit_test(wrong_values_say_what_would_be_right),
        cmocka_unit_test(unknown_flags_are_refused_with_the_nearest),
        cmocka_unit_test(misspelt_variables_are_noted),
        cmocka_unit_test(errors_in_a_file_have_line_numbers),
        cmocka_unit_test(print_config_masks_secrets_and_reads_back),
        cmocka_unit_test(everything_generated_names_every_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
