/* server_test.h: a PostgreSQL server of the test's own, in a directory of its own, on a Unix
 * socket; and a go-between that loses the connection after so many pieces of what is said.
 *
 * PostgreSQL refuses to run as root, so root runs it as postgres or nobody. The server ends with
 * the test, however that ends. For tests only.
 */
#ifndef STORE_SERVER_TEST_H
#define STORE_SERVER_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef COLLAB_POSTGRES /* where ./dev unpacks a server */
#define COLLAB_POSTGRES "build/postgresql"
#endif

static struct {
    char dir[40];
    char bin[300];
    pid_t pid;
    PGconn *admin;
    unsigned schemas;
} server;

/* ---- the server ---- */

static inline _Noreturn void server_die(const char *what) {
    (void)fprintf(stderr, "PostgreSQL for this test: %s\n", what);
    exit(1);
}

/* Debian's place, or where ./dev has unpacked it. */
static inline void server_find(void) {
    const char *const places[] = {"/usr/lib/postgresql/*/bin/initdb",
                                  COLLAB_POSTGRES "/usr/lib/postgresql/*/bin/initdb"};
    for (size_t i = 0; i < 2; i++) {
        glob_t g = {0};
        if (glob(places[i], 0, NULL, &g) == 0 && g.gl_pathc) {
            (void)snprintf(server.bin, sizeof server.bin, "%.*s",
                           (int)(strlen(g.gl_pathv[0]) - strlen("/initdb")), g.gl_pathv[0]);
        }
        globfree(&g);
    }
    if (!server.bin[0]) {
        server_die("not found; ./dev setup fetches it");
    }
}

static inline pid_t server_run(const char *program, const char *const *args, const char *log) {
    const struct passwd *user = getpwnam("postgres");
    user = user ? user : getpwnam("nobody");
    uid_t uid = geteuid() == 0 && user ? user->pw_uid : geteuid();
    gid_t gid = geteuid() == 0 && user ? user->pw_gid : getegid();
    if (geteuid() == 0 && chown(server.dir, uid, gid) != 0) {
        server_die("its directory cannot be given away");
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        char path[400];
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(out, STDERR_FILENO);
        bool ok = geteuid() != 0 || (setgid(gid) == 0 && setuid(uid) == 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGQUIT); /* after setuid, which clears it */
        (void)snprintf(path, sizeof path, "%s/%s", server.bin, program);
        char *argv[24] = {NULL};
        for (int i = 0; i < 23 && args[i]; i++) {
            argv[i] = strdup(args[i]);
        }
        if (ok && getppid() == parent && chdir(server.dir) == 0) {
            (void)execv(path, argv);
        }
        _exit(127);
    }
    return pid;
}

static inline void server_wait_ready(const char *url) {
    for (int i = 0; i < 3000; i++) {
        if (PQping(url) == PQPING_OK) {
            return;
        }
        int status = 0;
        if (waitpid(server.pid, &status, WNOHANG) == server.pid) {
            server_die("it ended at its start");
        }
        (void)poll(NULL, 0, 10); /* it does not tell when it is ready */
    }
    server_die("it does not become ready");
}

static inline void server_start(void) {
    char data[60];
    char log[60];
    char url[120];
    server_find();
    (void)snprintf(server.dir, sizeof server.dir, "/tmp/store_pg.XXXXXX");
    if (!mkdtemp(server.dir) || chmod(server.dir, 0755) != 0) {
        server_die("no directory for it");
    }
    (void)snprintf(data, sizeof data, "%s/data", server.dir);
    (void)snprintf(log, sizeof log, "%s/log", server.dir);
    const char *const init[] = {"initdb", "-D",        data, "-A",   "trust",      "-U",
                                "admin",  "--no-sync", "-E", "UTF8", "--locale=C", NULL};
    int status = 0;
    pid_t pid = server_run("initdb", init, log);
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        server_die("initdb failed");
    }
    (void)snprintf(url, sizeof url, "%s/pg_hba.conf", data);
    FILE *hba = fopen(url, "w");
    if (!hba || fputs("local all guarded scram-sha-256\nlocal all all trust\n", hba) < 0 ||
        fclose(hba) != 0) {
        server_die("its list of who may come in cannot be written");
    }
    const char *const run[] = {"postgres",
                               "-D",
                               data,
                               "-k",
                               server.dir,
                               "-c",
                               "listen_addresses=",
                               "-c",
                               "fsync=off", /* it is not the machine that crashes here */
                               "-c",
                               "max_connections=40",
                               "-c",
                               "shared_buffers=16MB",
                               NULL};
    server.pid = server_run("postgres", run, log);
    (void)snprintf(url, sizeof url, "postgres:///postgres?host=%s&user=admin", server.dir);
    server_wait_ready(url);
    server.admin = PQconnectdb(url);
}

static inline void server_stop(void) {
    int status = 0;
    PQfinish(server.admin);
    (void)kill(server.pid, SIGINT); /* fast: it does not wait for who is connected */
    (void)waitpid(server.pid, &status, 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execlp("rm", "rm", "-rf", "--", server.dir, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
}

/* ---- as its administrator ---- */

/* Runs SQL, in the schema unless that is NULL; returns the first value, as a number. */
static inline long server_sql(const char *schema, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline PGresult *server_exec(const char *sql) {
    PGresult *r = PQexec(server.admin, sql);
    ExecStatusType s = PQresultStatus(r);
    if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK) {
        server_die(PQerrorMessage(server.admin));
    }
    return r;
}

static inline long server_sql(const char *schema, const char *fmt, ...) {
    char sql[2000];
    (void)snprintf(sql, sizeof sql, "SET search_path=%s", schema ? schema : "public");
    PQclear(server_exec(sql));
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sql, sizeof sql, fmt, args);
    va_end(args);
    PGresult *r = server_exec(sql);
    long value = PQntuples(r) ? strtol(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return value;
}

/* Tables of one's own: `schema` has room for 16 bytes. */
static inline void server_schema(char *schema) {
    (void)snprintf(schema, 16, "t%u", ++server.schemas);
    (void)server_sql(NULL, "CREATE SCHEMA %s", schema);
}

static inline void server_url(char *to, size_t bytes, const char *socket_dir, const char *schema) {
    (void)snprintf(to, bytes, "postgres:///postgres?host=%s&user=admin&options=-csearch_path%%3D%s",
                   socket_dir, schema);
}

/* Cuts every connection of a store; returns how many. */
static inline long server_cut(void) {
    return server_sql(NULL, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                            " WHERE application_name='collabd'");
}

/* ---- the go-between ---- */

enum { BETWEEN_LINES = 8 };

static struct {
    char dir[60];
    int door;
    int bell[2]; /* written to: end, or 'c': cut all connections */
    pthread_t thread;
    int lines[BETWEEN_LINES][2]; /* client, server; -1: none */
    atomic_long pieces;          /* passed on so far */
    atomic_long cut_at;          /* this one is lost with its connection; 0: none */
    atomic_bool refusing;        /* nobody gets through */
} between;

static inline int between_connect(const char *dir, bool listening) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/.s.PGSQL.5432", dir);
    int e = listening ? bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 8)
                      : connect(fd, (struct sockaddr *)&a, sizeof a);
    if (e) {
        server_die("the go-between has no socket");
    }
    return fd;
}

static inline void between_hang_up(int *line) {
    (void)close(line[0]);
    (void)close(line[1]);
    line[0] = line[1] = -1;
}

static inline void between_accept(void) {
    int client = accept(between.door, NULL, NULL);
    for (int i = 0; client >= 0 && i < BETWEEN_LINES; i++) {
        if (between.lines[i][0] < 0 && !atomic_load(&between.refusing)) {
            between.lines[i][0] = client;
            between.lines[i][1] = between_connect(server.dir, false);
            return;
        }
    }
    (void)close(client);
}

/* Passes a piece on from side `s`; the one that is to be lost is lost. */
static inline void between_pass(int *line, int s) {
    static char piece[65536];
    ssize_t n = read(line[s], piece, sizeof piece);
    bool lost = n <= 0 || atomic_load(&between.refusing) ||
                atomic_fetch_add(&between.pieces, 1) + 1 == atomic_load(&between.cut_at);
    if (lost || send(line[!s], piece, (size_t)n, MSG_NOSIGNAL) != n) {
        between_hang_up(line);
    }
}

static inline void *between_run(void *unused) {
    (void)unused;
    for (;;) {
        struct pollfd p[2 + 2 * BETWEEN_LINES];
        p[0] = (struct pollfd){.fd = between.bell[0], .events = POLLIN};
        p[1] = (struct pollfd){.fd = between.door, .events = POLLIN};
        for (int i = 0; i < 2 * BETWEEN_LINES; i++) {
            p[2 + i] = (struct pollfd){.fd = between.lines[i / 2][i % 2], .events = POLLIN};
        }
        (void)poll(p, 2 + 2 * BETWEEN_LINES, -1);
        for (int i = 0; i < 2 * BETWEEN_LINES; i++) {
            int *line = between.lines[i / 2];
            if (p[2 + i].revents && line[0] >= 0) {
                between_pass(line, i % 2);
            }
        }
        if (p[1].revents) {
            between_accept();
        }
        char what = 0;
        if (p[0].revents && (read(between.bell[0], &what, 1) != 1 || what != 'c')) {
            return NULL;
        }
        for (int i = 0; what && i < BETWEEN_LINES; i++) {
            if (between.lines[i][0] >= 0) {
                between_hang_up(between.lines[i]);
            }
        }
    }
}

static inline void between_start(void) {
    for (int i = 0; i < BETWEEN_LINES; i++) {
        between.lines[i][0] = between.lines[i][1] = -1;
    }
    (void)snprintf(between.dir, sizeof between.dir, "%s/between", server.dir);
    if (mkdir(between.dir, 0700) != 0 || pipe(between.bell) != 0) {
        server_die("the go-between cannot be set up");
    }
    between.door = between_connect(between.dir, true);
    atomic_store(&between.cut_at, 0);
    atomic_store(&between.refusing, false);
    if (pthread_create(&between.thread, NULL, between_run, NULL) != 0) {
        server_die("the go-between has no thread");
    }
}

static inline void between_stop(void) {
    (void)!write(between.bell[1], "x", 1);
    (void)pthread_join(between.thread, NULL);
    for (int i = 0; i < BETWEEN_LINES; i++) {
        if (between.lines[i][0] >= 0) {
            between_hang_up(between.lines[i]);
        }
    }
    char path[100];
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", between.dir);
    (void)unlink(path);
    (void)rmdir(between.dir);
    (void)close(between.door);
    (void)close(between.bell[0]);
    (void)close(between.bell[1]);
}

/* All connections are lost now, whatever is under way. */
static inline void between_cut(void) {
    (void)!write(between.bell[1], "c", 1);
}

/* The nth piece from now on is lost with its connection; 0: none. */
static inline void between_cut_at(long n) {
    atomic_store(&between.cut_at, n ? atomic_load(&between.pieces) + n : 0);
}

static inline bool between_has_cut(void) {
    long at = atomic_load(&between.cut_at);
    return at && atomic_load(&between.pieces) >= at;
}

#endif
