/* probe.h: places in the program where a tracer may look in (perf, bpftrace, SystemTap), at the
 * steps of an update's way through the server. A probe that nobody watches is one instruction that
 * does nothing; its arguments are what is at hand anyway. Listed in docs/operations.md.
 *
 * They are USDT probes of systemtap-sdt-dev, a header; without it there are none.
 *
 * Thread: any.
 */
#ifndef OBSERVE_PROBE_H
#define OBSERVE_PROBE_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define PROBE1(name, a)          DTRACE_PROBE1(collabd, name, a)
#define PROBE3(name, a, b, c)    DTRACE_PROBE3(collabd, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(collabd, name, a, b, c, d)
#else
#define PROBE1(name, a)          (void)(a)
#define PROBE3(name, a, b, c)    ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

#endif
