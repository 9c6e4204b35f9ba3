/* load.h: what the parts of the generator share: the run, its rooms, its users, and what is
 * counted.
 *
 *   run.c    phases, timers, the loop
 *   user.c   a user's life: joining, sending, being answered, coming back
 *   room.c   what a room has said, and what each of its users has heard of it
 *   told.c   what one payload says, read once for all who get it
 *   verify.c the end: everybody has everything, and so does who was never there
 *   report.c table and JSON
 *
 * Thread: one. struct load owns everything.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "base/frame.h"
#include "base/list.h"
#include "conn.h"
#include "dialect.h"
#include "hist.h"
#include "options.h"
#include "process.h"
#include "random.h"
#include "timers.h"
#include "token.h"
#include "writer.h"
#include "yata.h"

/* What must not happen; any of it fails the run. NAME(symbol, name in the JSON, in words) */
#define FAULTS(NAME)                                                                               \
    NAME(STREAM_GAP, "streamGaps", "messages missing from a numbered stream")                      \
    NAME(MALFORMED, "malformed", "payloads that cannot be read")                                   \
    NAME(STRANGE, "strange", "messages that the dialect does not have")                            \
    NAME(REFUSED, "refused", "refusals for other reasons than a rate")                             \
    NAME(ENDED, "ended", "connections that the server ended")                                      \
    NAME(UNANSWERED, "unanswered", "messages without an answer at the end")                        \
    NAME(BEHIND, "behind", "users that lack something of others at the end")                       \
    NAME(PRESENCE_BEHIND, "presenceBehind", "users that lack presence of others at the end")       \
    NAME(LOST, "lost", "users of whom something acknowledged is lost")                             \
    NAME(DIVERGED, "diverged", "documents that differ at the end")

#define FAULT_ENUM(symbol, name, words) FAULT_##symbol,
enum fault { FAULTS(FAULT_ENUM) FAULT_COUNT };

/* What is counted from start to end. NAME(symbol, name in the JSON, in words) */
#define COUNTS(NAME)                                                                               \
    NAME(SUBSCRIBES, "subscribes", "subscribes sent")                                              \
    NAME(UPDATES, "updates", "updates sent, again ones included")                                  \
    NAME(PRESENCES, "presences", "presence messages sent")                                         \
    NAME(SYNCS, "syncs", "syncs sent")                                                             \
    NAME(RESENDS, "resends", "messages sent again for want of an answer")                          \
    NAME(DELAYED, "delayed", "messages sent again after a refusal for a rate")                     \
    NAME(RATE_LIMITED, "rateLimited", "refusals for a rate")                                       \
    NAME(ANSWERS, "answers", "acknowledgements")                                                   \
    NAME(DUPLICATES, "duplicates", "acknowledgements that say duplicate")                          \
    NAME(WAITING, "waiting", "acknowledgements of updates that wait for others")                   \
    NAME(RECONNECTS, "reconnects", "connections ended by us to come back")                         \
    NAME(UPDATE_FRAMES, "updateFrames", "update messages received")                                \
    NAME(PRESENCE_FRAMES, "presenceFrames", "presence messages received")                          \
    NAME(DELIVERIES, "deliveries", "updates received, each counted at each receiver")              \
    NAME(PRESENCE_DELIVERIES, "presenceDeliveries", "presence states received, likewise")          \
    NAME(EARLY, "early", "updates received before what they follow, which came later")             \
    NAME(UNTIMED, "untimed", "deliveries too old for their latency to be known")

#define COUNT_ENUM(symbol, name, words) COUNT_##symbol,
enum count { COUNTS(COUNT_ENUM) COUNT_COUNT };

enum phase { PHASE_JOIN, PHASE_WARMUP, PHASE_MEASURE, PHASE_SETTLE, PHASE_VERIFY, PHASE_DONE };

enum spoil { SPOIL_NOTHING, SPOIL_RECEIVE, SPOIL_APPLY, SPOIL_SEND, SPOIL_CLOCK };

enum {
    SENDS_KEPT = 512,   /* of a user's last updates, when they were due */
    STATES_KEPT = 64,   /* the same of presence */
    PAYLOADS_KEPT = 16, /* of a room's last payloads, what they say */
    ROOM_NAME_MAX = 200,
};

struct load;
struct room;

/* ---- told.c ---- */

/* A part of what an update tells: units of one member, and which of its updates they are. */
struct told_range {
    uint32_t member;
    uint32_t from, to;
    uint32_t first, count; /* in `sends` */
};

struct told_send {
    uint32_t end;    /* clock behind it; 0: forgotten */
    uint64_t due_ns; /* when it was to be sent */
};

/* A member's presence, as told. */
struct told_state {
    uint32_t member;
    uint32_t clock;
    bool gone;
    uint64_t due_ns; /* 0: forgotten */
};

struct told {
    struct frame *coded; /* as it stood in the message; NULL: none yet */
    struct frame *bytes;
    bool malformed;
    struct told_range *ranges;
    size_t ranges_n;
    struct told_send *sends;
    size_t sends_n;
    struct told_state *states;
    size_t states_n;
};

void told_fini(struct told *);
/* Reads an update or an awareness update of that room. */
void told_read(struct told *, const struct room *, bool presence, slice payload, bool base64);

/* ---- room.c ---- */

struct user;

struct room {
    struct load *load;
    char name[ROOM_NAME_MAX + 1];
    uint64_t first_client; /* Yjs id of member 0; the others follow */
    uint32_t members;
    struct user *users;
    struct yata_doc *doc;  /* all that was written and told here; made when wanted */
    struct frame **states; /* each member's presence as last told, or NULL */
    uint32_t *state_clocks;
    struct told updates[PAYLOADS_KEPT];
    struct told presences[PAYLOADS_KEPT];
    unsigned updates_at, presences_at;
    struct user *witness; /* verify.c */
};

void room_init(struct room *, struct load *, unsigned number, struct user *users);
void room_fini(struct room *);
/* A user has received an update, or presence. */
void room_hear_update(struct user *, const struct heard *, uint64_t now_ns);
void room_hear_presence(struct user *, const struct heard *, uint64_t now_ns);
struct yata_doc *room_doc(struct room *);
/* Users of whom this one lacks updates, or presence. */
size_t room_behind(const struct user *, bool presence);

/* ---- user.c ---- */

enum user_state { USER_AWAY, USER_CONNECTING, USER_JOINING, USER_LIVE };

/* Sent, or to be sent, and not answered. */
struct message {
    struct list_node node;
    enum { MESSAGE_UPDATE, MESSAGE_SYNC, MESSAGE_PRESENCE } kind;
    uint64_t seq;
    uint64_t due_ns;
    uint64_t again_ns; /* when to send it again; UINT64_MAX: not sent yet */
    unsigned tries;
    uint32_t from, end; /* its clocks */
    struct frame *payload;
};

struct user {
    struct conn conn;
    struct load *load;
    struct room *room;
    const struct dialect_ops *dialect;
    struct speaker speaker;
    uint32_t member; /* of the room; a witness has none: its number is that of the members */
    bool slow, sends_all, witness;
    bool deaf; /* a slow one, at the moment */
    enum user_state state;
    unsigned failures;  /* of a witness to come in */
    uint64_t joined_ns; /* last; 0: not yet */
    uint64_t began_ns;  /* joining */
    uint64_t seq;
    uint64_t stream_seq; /* last heard; 0: none yet */
    struct list_node pending;

    struct yata_doc *doc; /* who holds the whole document; else NULL */
    struct writer writer;
    uint32_t clock, acked; /* own units: written, acknowledged */
    struct told_send sends[SENDS_KEPT];
    unsigned sends_at;
    uint32_t state_clock; /* own presence: last sent */
    uint64_t state_due[STATES_KEPT];

    uint32_t *clocks; /* of each member: what has been heard */
    uint32_t *state_clocks;
};

void user_init(struct user *, struct room *, uint32_t member);
void user_fini(struct user *);
void user_join(struct user *, uint64_t now_ns);
/* Ends the connection, and has it come back. */
void user_reconnect(struct user *, uint64_t now_ns, bool abrupt);
void user_edit(struct user *, uint64_t due_ns);
void user_show(struct user *, uint64_t due_ns);
/* Sends again what has waited too long. */
void user_sweep(struct user *, uint64_t now_ns);
extern const struct net_events user_events;

/* ---- run.c ---- */

enum timer_kind {
    TIMER_JOIN,
    TIMER_EDIT,
    TIMER_EXTRA,
    TIMER_SHOW,
    TIMER_SLOW,
    TIMER_LOSE,
    TIMER_BURST
};

struct load {
    struct options o;
    struct net net;
    struct timers timers;
    struct dice dice;
    enum phase phase;
    enum spoil spoil;
    uint64_t spoil_in;                 /* so many more before it happens */
    uint32_t address_to, address_from; /* host order */
    char *token;
    struct room *rooms;
    struct user *users;
    size_t rooms_n, users_n, live;
    uint64_t start_ns;
    uint64_t measure_from_ns, measure_to_ns; /* updates due in between count */

    uint64_t counts[COUNT_COUNT];
    uint64_t faults[FAULT_COUNT];
    unsigned complaints;                        /* said on standard error so far */
    struct hist echo, ack, presence, join, lag; /* microseconds */

    /* over the time that counts */
    uint64_t counts_before[COUNT_COUNT], counts_measured[COUNT_COUNT];
    double measured_s;
    uint64_t from_wall_ms, to_wall_ms;
    double own_cpu_s;
    bool watched; /* the server's process could be looked at */
    struct process server_before, server_after;
    uint64_t server_most_bytes;
    uint64_t *memory; /* of the server, second by second */
    size_t memory_n;
    struct net net_before, net_after;
    uint64_t compared, verified; /* documents found the same; rooms seen by a witness */
    uint64_t progress_ns, progress_deliveries;
};

void load_init(struct load *, int argc, char **argv);
void load_run(struct load *);
void load_fini(struct load *);
/* Notes a fault, and says so the first few times. */
void load_fault(struct load *, enum fault, const struct user *, const char *why, slice detail);
/* True once, when the wanted wrong is due. */
bool load_spoils(struct load *, enum spoil);
/* An update that was due then counts. */
static inline bool load_counts(const struct load *l, uint64_t due_ns) {
    return due_ns >= l->measure_from_ns && due_ns < l->measure_to_ns;
}

/* ---- verify.c ---- */

/* Everybody leaves, and one who was never there comes into each room. */
void verify(struct load *);
/* A witness was let in, or told an update, or has ended. */
void verify_joined(struct user *);
void verify_told(struct user *, slice update);
void verify_ended(struct user *);

/* ---- report.c ---- */

/* The table on standard output, the JSON where it is wanted; whether all was well. */
bool report(const struct load *);
/* One line on standard error. */
void report_progress(struct load *, uint64_t now_ns);

#endif
