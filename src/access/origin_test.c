/* Lists of origins and hosts: one table of what matches, one of what cannot be a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "access/origin.h"

#define EXACT "https://example.org,http://localhost:5173"
#define BELOW "https://*.example.org"

static const struct {
    const char *list;
    const char *origin;
    bool allowed;
} origins[] = {
    {EXACT, "https://example.org", true},
    {EXACT, "https://example.org:443", true}, /* the port of the scheme */
    {EXACT, "HTTPS://Example.ORG", true},
    {EXACT, "http://localhost:5173", true},
    {EXACT, "http://example.org", false},
    {EXACT, "http://example.org:443", false}, /* another scheme on the same port */
    {EXACT, "https://example.org:8443", false},
    {EXACT, "https://example.org:80", false},
    {EXACT, "http://localhost", false},
    {EXACT, "http://localhost:51730", false},
    {EXACT, "http://localhost:517", false},
    {EXACT, "https://www.example.org", false},
    {EXACT, "https://evil-example.org", false},
    {EXACT, "https://example.org.evil.com", false},
    {EXACT, "https://example.orgevil.com", false},
    {EXACT, "https://xexample.org", false},
    {EXACT, "https://example.or", false},
    {EXACT, "https://example.org.", false},
    {EXACT, "https://example.org/", false},
    {EXACT, "https://example.org/path", false},
    {EXACT, "https://example.org?x", false},
    {EXACT, "https://example.org#x", false},
    {EXACT, "https://user@example.org", false},
    {EXACT, "https://evil.com@example.org", false},
    {EXACT, "https://example.org@evil.com", false},
    {EXACT, "https://example.org:", false},
    {EXACT, "https://example.org:443:443", false},
    {EXACT, "https://example.org:0443", false},
    {EXACT, "https://example.org:99999", false},
    {EXACT, "https://example.org:44 3", false},
    {EXACT, "https://example.org ", false},
    {EXACT, " https://example.org", false},
    {EXACT, "https://example.org,https://example.org", false},
    {EXACT, "https://example.org https://example.org", false},
    {EXACT, "https:/example.org", false},
    {EXACT, "https:example.org", false},
    {EXACT, "//example.org", false},
    {EXACT, "example.org", false},
    {EXACT, "://example.org", false},
    {EXACT, "https://", false},
    {EXACT, "https://ex\xc3\xa4mple.org", false},
    {EXACT, "null", false},
    {EXACT, "", false},
    {EXACT, "*", false},

    {BELOW, "https://www.example.org", true},
    {BELOW, "https://a.b.Example.org", true},
    {BELOW, "https://www.example.org:443", true},
    {BELOW, "https://example.org", false},
    {BELOW, "https://.example.org", false},
    {BELOW, "https://evil-example.org", false},
    {BELOW, "https://www.evil-example.org", false},
    {BELOW, "https://www.example.org.evil.com", false},
    {BELOW, "https://www.example.org:8443", false},
    {BELOW, "http://www.example.org", false},
    {BELOW, "https://*.example.org", false},
    {"https://*.example.org:8443", "https://www.example.org:8443", true},
    {"https://*.example.org:8443", "https://www.example.org", false},
    {"http://*.0.0.1", "http://127.0.0.1", false}, /* an address has no parts */

    {"http://[::1]:3000", "http://[::1]:3000", true},
    {"http://[::1]:3000", "http://[0:0::0:1]:3000", true},
    {"http://[::1]:3000", "http://[::1]", false},
    {"http://[::1]:3000", "http://[::2]:3000", false},
    {"http://[::1]:3000", "http://::1:3000", false},
    {"http://[2001:DB8::A]", "http://[2001:db8::a]:80", true},
    {"http://[::ffff:127.0.0.1]", "http://127.0.0.1", false},
    {"http://127.0.0.1:80", "http://127.0.0.1", true},
    {"http://127.0.0.1", "http://127.0.0.10", false},
    {"http://127.0.0.1", "http://127.1", false},

    {"*", "https://anything.example", true},
    {"*", "null", true},
    {"*", "rubbish", true},
    {"null", "null", true},
    {"null", "NULL", false},
    {"null", "https://null", false},
    {"null", "", false},
    {" https://a.example ,, https://b.example,", "https://b.example", true},
    {"capacitor://localhost,chrome-extension://abcdefgh", "capacitor://localhost", true},
    {"capacitor://localhost,chrome-extension://abcdefgh", "chrome-extension://abcdefgh", true},
    {"capacitor://localhost,chrome-extension://abcdefgh", "http://localhost", false},
    {"capacitor://localhost", "capacitor://localhost:80", false},
    {NULL, "https://anything.example", true},
    {"", "rubbish", true},
};

static void origins_are_matched_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        struct origin_list *l = NULL;
        char why[200] = "";
        if (origin_list_new(origins[i].list, &l, why, sizeof why) != ERR_OK) {
            fail_msg("row %zu: %s", i, why);
        }
        if (origin_allowed(l, slice_str(origins[i].origin)) != origins[i].allowed) {
            fail_msg("%s: \"%s\" %s", origins[i].list, origins[i].origin,
                     origins[i].allowed ? "was refused" : "got through");
        }
        origin_list_free(l);
    }
}

static void a_zero_byte_ends_nothing(void **state) {
    (void)state;
    struct origin_list *l = NULL;
    char why[200] = "";
    assert_int_equal(origin_list_new(EXACT, &l, why, sizeof why), ERR_OK);
    assert_false(origin_allowed(l, slice_of("https://example.org\0", 20)));
    assert_false(origin_allowed(l, slice_of("https://example.org\0.evil.com", 29)));
    assert_false(origin_allowed(l, (slice){0}));
    origin_list_free(l);
    origin_list_free(NULL);
}

static const struct {
    const char *list;
    const char *bound;
    const char *host;
    unsigned default_port;
    bool allowed;
} hosts[] = {
    {NULL, "127.0.0.1", "localhost:3005", 80, true},
    {NULL, "127.0.0.1", "LocalHost", 80, true},
    {NULL, "127.0.0.1", "127.0.0.1:1", 80, true},
    {NULL, "127.0.0.1", "[::1]:3005", 80, true},
    {NULL, "127.0.0.1", "[0::1]", 80, true},
    {NULL, "127.0.0.1", "evil.example:3005", 80, false}, /* DNS rebinding */
    {NULL, "127.0.0.1", "localhost.evil.example", 80, false},
    {NULL, "127.0.0.1", "evil.localhost", 80, false},
    {NULL, "127.0.0.1", "127.0.0.1.evil.example", 80, false},
    {NULL, "127.0.0.1", "192.168.1.5:3005", 80, false},
    {NULL, "127.0.0.1", "0.0.0.0:3005", 80, false},
    {NULL, "127.0.0.1", "", 80, false},
    {NULL, "192.168.1.5", "192.168.1.5:3005", 80, true},
    {NULL, "192.168.1.5", "localhost", 80, true},
    {NULL, "192.168.1.5", "192.168.1.6", 80, false},
    {NULL, "2001:db8::5", "[2001:db8::5]:3005", 80, true},
    {NULL, "2001:db8::5", "[2001:db8::6]:3005", 80, false},
    {NULL, "localhost", "localhost:3005", 80, true},
    {NULL, "0.0.0.0", "192.168.1.5:3005", 80, true},
    {NULL, "0.0.0.0", "[2001:db8::5]", 80, true},
    {NULL, "0.0.0.0", "localhost", 80, true},
    {NULL, "0.0.0.0", "evil.example", 80, false},
    {NULL, "0.0.0.0", "1.2.3.4.evil.example", 80, false},
    {NULL, "::", "192.168.1.5", 80, true},
    {NULL, "::", "evil.example", 80, false},
    {NULL, NULL, "localhost", 80, true},
    {"", "127.0.0.1", "localhost", 80, true},

    {"collab.example.org", "127.0.0.1", "collab.example.org", 80, true},
    {"collab.example.org", "127.0.0.1", "Collab.Example.Org:3005", 80, true},
    {"collab.example.org", "127.0.0.1", "localhost", 80, false}, /* the list is all */
    {"collab.example.org", "127.0.0.1", "xcollab.example.org", 80, false},
    {"collab.example.org", "127.0.0.1", "collab.example.org.evil.com", 80, false},
    {"collab.example.org", "127.0.0.1", "collab.example.org.", 80, false},
    {"collab.example.org", "127.0.0.1", "collab.example.org:", 80, false},
    {"collab.example.org", "127.0.0.1", "collab.example.org:x", 80, false},
    {"collab.example.org", "127.0.0.1", "u@collab.example.org", 80, false},
    {"collab.example.org", "127.0.0.1", "collab.example.org/x", 80, false},
    {"collab.example.org", "127.0.0.1", "collab.example.org, x", 80, false},
    {"collab.example.org:443", "127.0.0.1", "collab.example.org", 443, true},
    {"collab.example.org:443", "127.0.0.1", "collab.example.org", 80, false},
    {"collab.example.org:443", "127.0.0.1", "collab.example.org:443", 80, true},
    {"collab.example.org:443", "127.0.0.1", "collab.example.org:444", 443, false},
    {"*.example.org", "127.0.0.1", "a.example.org:1", 80, true},
    {"*.example.org", "127.0.0.1", "example.org", 80, false},
    {"*.example.org", "127.0.0.1", "evil-example.org", 80, false},
    {"[2001:db8::5]:3005", "127.0.0.1", "[2001:DB8:0::5]:3005", 80, true},
    {"[2001:db8::5]:3005", "127.0.0.1", "[2001:db8::5]", 80, false},
    {"[2001:db8::5]", "127.0.0.1", "2001:db8::5", 80, false},
    {"[2001:db8::5]", "127.0.0.1", "[2001:db8::5", 80, false},
    {"[2001:db8::5]", "127.0.0.1", "[2001:db8::5]x", 80, false},
    {"*", "127.0.0.1", "evil.example", 80, true},
    {"*", "127.0.0.1", "not a host", 80, false},
};

static void hosts_are_matched_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct host_list *l = NULL;
        char why[200] = "";
        if (host_list_new(hosts[i].list, hosts[i].bound, &l, why, sizeof why) != ERR_OK) {
            fail_msg("row %zu: %s", i, why);
        }
        if (host_allowed(l, slice_str(hosts[i].host), hosts[i].default_port) != hosts[i].allowed) {
            fail_msg("row %zu: \"%s\" %s", i, hosts[i].host,
                     hosts[i].allowed ? "was refused" : "got through");
        }
        host_list_free(l);
    }
}

static const struct {
    const char *list;
    const char *entry; /* that is blamed */
    const char *words;
} wrong[] = {
    {"https://a.example,example.org", "\"example.org\"", "begins with its scheme"},
    {"https://a.example/", "\"https://a.example/\"", "no path"},
    {"https://a.example/x", "\"https://a.example/x\"", "no path"},
    {"wss://a.example", "\"wss://a.example\"", "of the page"},
    {"https://a.example:0", "\"https://a.example:0\"", "1 to 65535"},
    {"https://a.example:70000", "\"https://a.example:70000\"", "1 to 65535"},
    {"https://a.example:*", "\"https://a.example:*\"", "stands alone"},
    {"https://*", "\"https://*\"", "stands alone"},
    {"https://a.*.example", "\"https://a.*.example\"", "stands alone"},
    {"https://*.127.0.0.1", "\"https://*.127.0.0.1\"", "below an address"},
    {"https://*.[::1]", "\"https://*.[::1]\"", "below an address"},
    {"https://::1", "\"https://::1\"", "brackets"},
    {"https://[::1", "\"https://[::1\"", "not closed"},
    {"https://[zz]", "\"https://[zz]\"", "no IPv6 address"},
    {"https://b\xc3\xbc"
     "cher.example",
     "\"https://b\xc3\xbc"
     "cher.example\"",
     "xn--"},
    {"https://a..example", "\"https://a..example\"", "no name of a host"},
    {"https://a b", "\"https://a b\"", "no name of a host"},
    {"https://a.example;https://b.example", "\"https://a.example;https://b.example\"", "no path"},
    {" , ,", "ALLOWED_ORIGINS", "no entry"},
};

static void complaints_name_the_entry(void **state) {
    (void)state;
    char why[300] = "";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct origin_list *l = NULL;
        assert_int_equal(origin_list_new(wrong[i].list, &l, why, sizeof why), ERR_PARAMS);
        assert_null(l);
        if (!strstr(why, "ALLOWED_ORIGINS: ") || !strstr(why, wrong[i].entry) ||
            !strstr(why, wrong[i].words)) {
            fail_msg("row %zu says: %s", i, why);
        }
    }
    struct host_list *h = NULL;
    assert_int_equal(host_list_new("good.example,https://x.example", "::", &h, why, sizeof why),
                     ERR_PARAMS);
    assert_string_equal(why, "ALLOWED_HOSTS: \"https://x.example\": there is no path in it, nor a "
                             "slash at its end.");
    assert_null(h);
    host_list_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_matched_whole),
        cmocka_unit_test(a_zero_byte_ends_nothing),
        cmocka_unit_test(hosts_are_matched_whole),
        cmocka_unit_test(complaints_name_the_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
