/* caps.h: every cap and time constant of the server, each with its reason.
 *
 * Those marked "option" are the defaults of a row in conf/options.def, and the code uses the
 * option. The others are used directly.
 *
 * Thread: any. Constants only.
 */
#ifndef LIMIT_CAPS_H
#define LIMIT_CAPS_H

#include <stddef.h>
#include <stdint.h>

#define CAPS_KIB ((size_t)1024)
#define CAPS_MIB (CAPS_KIB * CAPS_KIB)

/* What a peer may send in one message. */

/* Option. A whole WebSocket message: a 4 MiB sync is 5.6 MiB in base64; the rest is room for the
 * JSON around it. Over it the connection is closed, as nothing sensible can be answered. */
#define CAPS_FRAME_BYTES (8 * CAPS_MIB)
/* Option. One edit. Typing is under 100 bytes, a pasted page some 10 KiB; more goes by sync. */
#define CAPS_UPDATE_BYTES (32 * CAPS_KIB)
/* Option. Presence of one client is under 500 bytes; some clients send all states they know. */
#define CAPS_AWARENESS_BYTES (8 * CAPS_KIB)
/* Option. A whole document, or everything that was edited offline. */
#define CAPS_SYNC_BYTES (4 * CAPS_MIB)
/* Requests in one JSON-RPC batch: bounds the answers that one message can cause. */
#define CAPS_BATCH 64
/* A room name, PROTOCOL 2. */
#define CAPS_ROOM_NAME_BYTES 200
/* sessionId, sid, client name: they go into logs, so they stay short. */
#define CAPS_LABEL_BYTES 200

/* What one peer may hold. */

/* Option. An editor with many open tabs has a dozen. */
#define CAPS_ROOMS_PER_CONNECTION 50
/* Requests of one connection that wait for a room's answer; over it reading pauses. */
#define CAPS_IN_FLIGHT 64
/* Acknowledged seqs remembered per connection, to recognise resends. A client resends its last few
 * within seconds, and has at most CAPS_IN_FLIGHT of them unanswered. */
#define CAPS_SEQS_REMEMBERED 1024
/* Option. Messages queued for a slow reader, then bytes of them; over either it is repaired. */
#define CAPS_OUTBOX_FRAMES 256
#define CAPS_OUTBOX_BYTES  (1 * CAPS_MIB)
/* Option. A reader that took nothing for this long is gone in all but name. */
#define CAPS_STALL_MS 30000
/* Option. Keep-alive: below the 60 s idle limit of common proxies. */
#define CAPS_PING_MS 30000
/* Pings without a pong before the connection is given up: one may be lost to a sleeping laptop. */
#define CAPS_PINGS_MISSED 2
/* Round trips that heartbeats tell of: nothing beyond is one, such a connection is given up. */
#define CAPS_RTT_MS 60000
/* A peer that was sent a close frame has this long to answer it (RFC 6455 7.1.1). */
#define CAPS_CLOSE_MS 3000

/* A page waits for a room so long: it may have to be read, or a large version to be unpacked. */
#define CAPS_ASK_MS 30000
/* The longest that a page takes to be read: 10 MiB by a line of 300 kbit/s. */
#define CAPS_PAGE_MS 300000

/* What room.info tells a client to stay under: PROTOCOL 6, 200 at once and 40 a second after that.
 */
#define CAPS_RATE_POINTS  200
#define CAPS_RATE_SECONDS 5
/* Rates, PROTOCOL 6. A room takes what 50 busy typists send: 40 each, and a hundred that begin at
 * once. */
#define CAPS_RATE_ROOM_POINTS     4000
#define CAPS_RATE_ROOM_PER_SECOND 2000
/* A page with many documents opens them at once, then seldom. */
#define CAPS_JOINS_PER_MINUTE 20
/* Tokens come from programs: one that is refused does not get better by being repeated. */
#define CAPS_AUTHS_PER_MINUTE 10
/* Connections of one address, IPv6 by its 64-bit network: an office behind one, with open tabs. */
#define CAPS_CONNECTIONS_PER_ADDRESS 500
/* Keys of each class of rates that are remembered, 0.2 KiB each; ten times the connections of a
 * node, as only those count that were used within the last minute. */
#define CAPS_BUCKET_KEYS 65536

/* A token in a header or a query: libjose and every proxy take less. */
#define CAPS_TOKEN_BYTES (16 * CAPS_KIB)
/* The longest that the refusal of a bad token is held back from an address that keeps trying. */
#define CAPS_PARK_MS 10000
/* How far the clocks of those who make tokens may be off. */
#define CAPS_LEEWAY_S 30
/* A message of somebody who has shown no token yet, a subscribe with one and some to spare; and
 * what waits to be read by him. */
#define CAPS_STRANGER_BYTES (64 * CAPS_KIB)
/* Connections of each worker that are refused for their address and still told so: an address that
 * keeps opening more is cut off at once, so that it does not use up the files of the process. */
#define CAPS_REFUSED 64
/* Option. No token: so long to subscribe with one. */
#define CAPS_AUTH_TIMEOUT_MS 30000
/* Option. An expired token: so long to bring a fresh one. */
#define CAPS_TOKEN_GRACE_MS 30000
/* Option. How long rights given by AUTHZ_URL hold; then they are asked for again. */
#define CAPS_AUTHZ_AGAIN_MS 30000
/* Refusals for rate in quick succession after which reading pauses: who waits as told has one. */
#define CAPS_FLOOD_REFUSALS 20

/* Messages a second of one connection that no bucket is charged for: heartbeats, questions, what is
 * no message at all, and anything from who has shown no token. A client with 50 rooms that asks
 * about all of them stays under it; over it reading pauses until the second is over. */
#define CAPS_UNCHARGED_PER_SECOND 200

/* What one node may hold. */

/* Option. A warning is logged over the soft number; joins are refused at the hard one. */
#define CAPS_ROOM_SOFT 100
#define CAPS_ROOM_HARD 500
/* Option. 5,000 idle connections cost some 50 MB, mostly in the kernel. */
#define CAPS_CONNECTIONS 5000
/* Bans and mutes of one room: more is not order in a room but a matter for whoever gives out
 * tokens. */
#define CAPS_SANCTIONS 256
/* Option. As many rooms as connections: one document a person is the usual case. */
#define CAPS_ROOMS 5000
/* Threads with an event loop. More than the cores of any machine this was measured on. */
#define CAPS_WORKERS 64
/* Threads that keep metrics: workers, main, and a few for what comes. */
#define CAPS_METRIC_THREADS (CAPS_WORKERS + 8)
/* Messages waiting in a worker's mailbox; a full one is answered 429, and reading pauses at half.
 */
#define CAPS_MAILBOX 65536
/* Connections the kernel holds until a worker accepts them. */
#define CAPS_BACKLOG 1024

/* Documents. */

/* Bytes of updates kept because what they depend on has not come. Four syncs' worth. */
#define CAPS_PENDING_BYTES (16 * CAPS_MIB)
/* Memory of one document, waiting updates included. A book that was typed has 30 MiB. */
#define CAPS_DOC_MEMORY_BYTES (256 * CAPS_MIB)
/* A document that nobody has asked for so long is held as its state, in a third of the memory or
 * less. */
#define CAPS_REST_MS 10000
/* Larger ones are not: to make one of this size again takes 2 ms, while all its worker waits. */
#define CAPS_REST_DOC_BYTES CAPS_MIB
/* As much becomes its state in one sweep of a worker, 2 ms. */
#define CAPS_REST_SWEEP_BYTES (4 * CAPS_MIB)
/* Client ids of one document: a new one for each visit of a page, for years. They make every state
 * vector and every sync longer. */
#define CAPS_DOC_CLIENTS 100000
/* Structs of one document, at 60 bytes each: what the memory above allows, and far more than
 * editors can show. */
#define CAPS_DOC_STRUCTS 4000000
/* Structs of one update: while it is applied each takes 100 bytes. A sync of 4 MiB that was typed
 * has 200,000. */
#define CAPS_UPDATE_STRUCTS 1000000
/* Root types of one document: an editor has a handful. */
#define CAPS_DOC_ROOTS 1000
/* Presence entries of one room: every participant, and those of clients that just left. */
#define CAPS_AWARENESS_CLIENTS 2048

/* Time. */

/* A burst's tick: long enough to merge the keystrokes of a busy room, short against 150 ms of echo
 * that people notice. */
#define CAPS_TICK_MS 12
/* The tick of a worker that is short of time: each send costs the same however much it says, so
 * this sends a fifth as often; two of them in a row and the way are still under 150 ms. */
#define CAPS_TICK_SLOW_MS 60
/* Option. Presence messages per room and second: cursors look smooth at 20. */
#define CAPS_PRESENCE_HZ 20
/* y-protocols' outdatedTimeout: clients renew every 15 s and forget others after 30. */
#define CAPS_PRESENCE_TTL_MS 30000
/* So much of what a client with a raised clock was told of itself is remembered, as it will say
 * that again: at 20 messages a second the way there and back may take a second and a half. */
#define CAPS_PRESENCE_TOLD 32
/* How long the clock of a client that left is remembered: peers remember it for ever, and what they
 * repeat late must not bring it back. */
#define CAPS_PRESENCE_MEMORY_MS 600000
/* What a refusal for lack of room tells the client to wait: somebody has to leave first. */
#define CAPS_RETRY_MS 1000
/* Over which span a worker's load is worked out: some ticks long, so that it does not flutter. */
#define CAPS_LOAD_SPAN_NS 200000000
/* Option. From SIGTERM to the end, whatever happens: below the 30 s after which systemd and
 * Kubernetes kill. */
#define CAPS_DRAIN_MS 10000

/* How often the process does its housekeeping: totals of suppressed log lines. */
#define CAPS_HOUSEKEEPING_MS 1000

/* Store. */

/* Messages that wait while a room is read from the store: some milliseconds of a busy one. */
#define CAPS_ROOM_WAITING 4096
/* A room's journal is folded into its snapshot at this weight, or at a quarter of the snapshot: a
 * thousand keystrokes, which a load applies in a millisecond. A row weighs its bytes and so many.
 */
#define CAPS_FOLD_BYTES     (256 * CAPS_KIB)
#define CAPS_FOLD_ROW_BYTES 200
/* Option, in seconds. Somebody who reloads the page finds the room still there. */
#define CAPS_ROOM_TTL_S 60
/* Option. Documents in memory; over it those that nobody is in go at once. */
#define CAPS_MEMORY (1024 * CAPS_MIB)

/* Written in one transaction: some thousand keystrokes, and two of the largest syncs. */
#define CAPS_STORE_GROUP_BYTES (8 * CAPS_MIB)
/* What may wait for a commit; over it writers are told to come back. A disk that takes 20 MB/s
 * needs three seconds for so much. */
#define CAPS_STORE_QUEUE_BYTES (64 * CAPS_MIB)
#define CAPS_STORE_QUEUE_ROWS  200000
/* A commit takes milliseconds; one that takes so long means a disk that hangs. */
#define CAPS_STORE_SLOW_MS 5000
/* First and longest wait between tries of a store that cannot write. */
#define CAPS_STORE_RETRY_MS      100
#define CAPS_STORE_RETRY_MOST_MS 5000
/* The least time that a disk is given at the end to take what is queued. */
#define CAPS_STORE_CLOSE_MS 5000
/* Rooms in one page of a list: of the shelf; of the journal, where each has up to a thousand rows
 * and a commit waits meanwhile. Pages of a file in one step of its copy. Some milliseconds each. */
#define CAPS_STORE_LIST         256
#define CAPS_STORE_LIST_JOURNAL 16
#define CAPS_STORE_COPY_PAGES   64
/* A database server that does not answer for so long is given up, and its connection; the same is
 * told to it as its own limit for a statement. */
#define CAPS_STORE_ANSWER_MS 30000
/* A connection on which the other machine has not even confirmed what was sent, for so long, or
 * does not answer when an idle one is tried, is lost: packets vanish, and waiting longer than TCP's
 * own pauses between its tries only puts off a fresh connection. Both ends are told so. In seconds:
 * until an idle one is tried, and between tries. */
#define CAPS_STORE_NETWORK_MS  10000
#define CAPS_STORE_TRY_IDLE_S  10
#define CAPS_STORE_TRY_EVERY_S 5
/* One try to connect, in seconds, for each address. */
#define CAPS_STORE_CONNECT_S 5
/* Servers in the URL: a primary and some standbys. Of more libpq does what it can. */
#define CAPS_STORE_HOSTS 8
/* So long a transaction waits for rows that another has locked, and an abandoned one is kept by the
 * server: its successor waits for it. */
#define CAPS_STORE_LOCK_MS 10000
/* An idle connection is looked after so often: less than the idle limits of proxies, and a health
 * page that is not old. */
#define CAPS_STORE_LOOK_MS 5000
/* After failing to connect for a room's sake, others that want to be read are refused so long. */
#define CAPS_STORE_REOPEN_MS 1000
/* A clock that differs so much from the database server's is told of. Machines that keep time are
 * milliseconds apart; a third of the leeway that tokens have. */
#define CAPS_STORE_CLOCK_MS 10000
/* What a node leaves to a room's owner, and the owner does not take up for so long, as it hangs or
 * has gone, anybody does: some looks. So much is taken up in one look; the rest by the next. */
#define CAPS_STORE_DUTY_MS 15000
#define CAPS_STORE_DUTIES  64
/* Nodes on one database, as on the bus. */
#define CAPS_STORE_NODES 256
/* The right to fold a room: folding the largest takes seconds. */
#define CAPS_STORE_LEASE_MS 15000
/* The write-ahead log is folded into its file at this length: 4 to 8 MB, read again at a start. */
#define CAPS_STORE_LOG_PAGES 2000

/* Versions. */

/* Option. How old a version gets that nobody has named. */
#define CAPS_VERSION_DAYS 365
/* Rooms that nobody edits age, too. A round over all that have versions begins that long after the
 * last one, */
#define CAPS_VERSION_ROUND_MS 3600000
/* and takes one room in that time: 100,000 rooms in six hours, for a few milliseconds a second. */
#define CAPS_VERSION_NEXT_MS 200
/* Option. Of those that somebody has named so many are kept for good: a release a week for two
 * years. */
#define CAPS_VERSIONS_NAMED 100
/* All versions of a room: what thinning leaves of a year comes to 110, besides those of the last
 * hour and those with a name. */
#define CAPS_VERSIONS 500
/* Option. All versions of a room, as they are on the disk: those of a page of text take some KiB
 * each, those of a book of 10 MiB some 3 MiB. */
#define CAPS_VERSION_BYTES (256 * CAPS_MIB)
/* Option, in seconds. What one remembers having written lies about so far back. */
#define CAPS_VERSION_EVERY_S 600
/* Versions in one list: some screens of them, and 40 KiB. */
#define CAPS_VERSIONS_LISTED 100
/* What an unasked list has, PROTOCOL 1. */
#define CAPS_VERSIONS_FIRST 20
/* Questions about versions under way on each worker. Each may hold a document or two, packed and
 * not: with 10 MiB each they come to less than the memory for documents. */
#define CAPS_HISTORY_ASKED 8
/* Automatic versions under way on each worker: the store's threads take some milliseconds for each,
 * and 5,000 rooms edited at once are served in minutes. */
#define CAPS_VERSIONS_SAVING 16
/* Client ids that a comparison tells of; the others are counted. */
#define CAPS_COMPARE_CLIENTS 200
/* Who writes with which client id, of one room: some 2,000 client ids, the newest. */
#define CAPS_AUTHORS_BYTES (64 * CAPS_KIB)

/* Cluster. */

/* Redis instances in REDIS_URL: one delivers some hundred thousand messages a second. */
#define CAPS_BUS_INSTANCES 16
/* Nodes that are known of: each hears the signs of life of all others. */
#define CAPS_BUS_NODES 256
/* One message between nodes. Redis cuts off a subscriber with 32 MiB unread, so half of that is the
 * most that can get through. */
#define CAPS_BUS_BYTES (16 * CAPS_MIB)
/* A difference of more goes in pieces of so much: few round trips, and Redis and both nodes can do
 * something else in between. */
#define CAPS_BUS_PIECE_BYTES (4 * CAPS_MIB)
/* The largest difference: the memory of a document is more than its encoded state. */
#define CAPS_BUS_DIFF_BYTES (256 * CAPS_MIB)
/* A difference whose next piece nobody asks for is kept so long: who asks does so at once, or asks
 * anew after CAPS_BUS_ASK_MS. */
#define CAPS_BUS_GIVE_MS 10000
/* A reply of Redis that is not yet whole: such a message, and what stands around it. */
#define CAPS_BUS_REPLY_BYTES (CAPS_BUS_BYTES + CAPS_MIB)
/* What other nodes said and a worker has not come to yet; over it what can be repaired is dropped.
 * As much as one message may be, and some 40,000 keystrokes: a worker that is seconds behind
 * catches up sooner by one difference. */
#define CAPS_BUS_WAITING_BYTES (16 * CAPS_MIB)
/* Commands that Redis has not taken yet; over it the connection is given up, and what was dropped
 * is repaired. Four of the largest messages. */
#define CAPS_BUS_OUT_BYTES (64 * CAPS_MIB)
/* Channels in one SUBSCRIBE: 100 KB, which Redis works off in a millisecond. */
#define CAPS_BUS_BATCH 512
/* From the first byte of a connection to a Redis that serves. */
#define CAPS_BUS_CONNECT_MS 3000
/* First and longest pause between tries to connect. */
#define CAPS_BUS_RETRY_MS      50
#define CAPS_BUS_RETRY_MOST_MS 2000
/* How often the bus looks at its connections, sends a ping, and looks at who is silent. */
#define CAPS_BUS_TICK_MS 500
/* A Redis that answers no ping for so long hangs, or the way to it does. */
#define CAPS_BUS_SILENT_MS 3000
/* Signs of life, and how long a node may be silent: three may be lost, and the presence of a dead
 * node's clients is gone within 10 s. */
#define CAPS_BUS_BEAT_MS 2000
#define CAPS_BUS_DEAD_MS 7000
/* A channel that nobody wants is kept so long: who reloads a page comes back to it. Rooms that
 * stay open without members (--room-ttl) keep theirs anyway. */
#define CAPS_BUS_LINGER_MS 2000
/* The longest that a room which opens waits for what other nodes have of it; an answer takes a
 * millisecond or two. */
#define CAPS_BUS_OPEN_MS 1000
/* The longest that who brings a wsToken waits for Redis to say that it is new; then this node's own
 * knowledge decides. */
#define CAPS_BUS_CLAIM_MS 500
/* The longest that room.info and an order wait for what other nodes say. */
#define CAPS_BUS_GATHER_MS 500
/* Members of one room over all nodes that room.info lists: some nodes' worth of the hard cap. */
#define CAPS_BUS_MEMBERS 5000
/* How long a node may take to send a difference until another one is asked. */
#define CAPS_BUS_ASK_MS 2000
/* Option. How often a room that is open on several nodes compares itself with the others. */
#define CAPS_BUS_COMPARE_MS 30000
/* Rooms of a worker that begin anew in one turn after Redis was away: each encodes a state vector,
 * and 64 of them take some milliseconds. */
#define CAPS_BUS_RETURNS 64

/* Tools. */

/* One message between a tool and the server: a whole document with its journal. */
#define CAPS_CONTROL_BYTES (512 * CAPS_MIB)
/* A room's name or a directory's path in one. */
#define CAPS_CONTROL_NAME_BYTES (4 * CAPS_KIB)
/* Tools connected at the same time, and how long one may leave an answer unread. */
#define CAPS_CONTROL_PEERS   8
#define CAPS_CONTROL_SEND_MS 10000

/* HTTP. */

/* Request line: a room name percent-encoded (600) and a token (4 KiB) in the query. */
#define CAPS_HTTP_URL_BYTES (8 * CAPS_KIB)
/* All header fields together, and how many: browsers send some 15, cookies some KiB. */
#define CAPS_HTTP_HEADERS_BYTES (16 * CAPS_KIB)
#define CAPS_HTTP_HEADERS       100
/* Request bodies: the largest is a room's name and a label. */
#define CAPS_HTTP_BODY_BYTES (16 * CAPS_KIB)
/* Option. From accept to the end of the request, against those that send it slowly. */
#define CAPS_HTTP_HEADER_MS 10000

/* TLS. */

/* From a peer until the handshake is done: a hello is 0.3 to 2 KiB, a resumed one with a ticket
 * less than 4; the rest is for what is to come. */
#define CAPS_TLS_HANDSHAKE_BYTES (16 * CAPS_KIB)
/* Sealed and not yet sent, per connection; the outbox holds what is behind it. Four records: enough
 * for one write call to be worth it. */
#define CAPS_TLS_OUT_BYTES (64 * CAPS_KIB)
/* The same with what OpenSSL itself answers to a peer that does not read: certificates of some KiB,
 * and answers to key updates, as long as those that asked. Over it the connection ends. */
#define CAPS_TLS_OWED_BYTES (256 * CAPS_KIB)
/* Age at which a new ticket key is made. Three are known, so a ticket holds two to three hours: a
 * network change or a short sleep; after a night a whole handshake is no loss. */
#define CAPS_TLS_TICKET_MS 3600000
/* Life of a session, in seconds: as long as its ticket is surely understood. */
#define CAPS_TLS_SESSION_S 7200

/* Log. */

/* One line. PIPE_BUF on Linux: writes up to it are whole lines also when threads share a pipe. */
#define CAPS_LOG_LINE_BYTES 4096
/* One text field of a line. */
#define CAPS_LOG_FIELD_BYTES 512
/* Lines per second and event id for what a peer can trigger; the rest is counted. */
#define CAPS_LOG_PER_SECOND 10
/* Event ids under that limit: about 20 are in use. */
#define CAPS_LOG_EVENTS 64

/* Looking in. */

/* Rooms that /collab/health names as busiest, and how often a worker works that out: often enough
 * to see a room go wild, seldom against the second that a sweep takes anyway. */
#define CAPS_BUSIEST    10
#define CAPS_BUSIEST_MS 2000
/* Slow requests that each worker remembers, and for how long: what happened when the telephone
 * rang. */
#define CAPS_SLOWEST    16
#define CAPS_SLOWEST_MS 600000
/* Rooms of each worker that SIGUSR1 has told: the log is read by people. */
#define CAPS_DUMP_ROOMS 200

/* Traces. */

/* Ended spans that wait to be sent, 0.3 KiB each: a second of some thousand traced updates. */
#define CAPS_SPANS_QUEUED 4096
/* In one request, 0.5 KiB each. */
#define CAPS_SPANS_POSTED 512
/* How often they are sent. */
#define CAPS_SPANS_EVERY_MS 1000
/* A collector stands nearby; one that takes longer does not hold up the end of the server. */
#define CAPS_SPAN_POST_MS 2000
/* Option. One in so many updates and syncs that come without a trace: at 5,000 a second some 50. */
#define CAPS_TRACE_SAMPLE 100

/* Options. */

/* One value: a long list of origins, or a PEM-sized secret. */
#define CAPS_OPTION_BYTES 4096

#endif
