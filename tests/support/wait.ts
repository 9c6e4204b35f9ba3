/* wait.ts: waiting without sleeping. Whatever happens in the tests (a frame arrives, a socket
 * closes, the server writes a line) is reported by `happened()`, and `until` looks at its condition
 * again. A deadline bounds every wait and says what was awaited.
 *
 * Deadlines are stretched by `slowness`: sanitizer builds take several times as long.
 */

const watchers = new Set<() => void>();

/** Factor for all deadlines; the runner sets it from the build it drives. */
export const pace = { slowness: 1 };

let again: NodeJS.Immediate | undefined;

function lookAll(): void {
    for (const look of [...watchers]) {
        look();
    }
}

/** Tells all waiters that something changed. They look at once, and once more when what awaited a
 * promise because of it has had its turn. */
export function happened(): void {
    lookAll();
    again ??= setImmediate(() => {
        again = undefined;
        lookAll();
    });
}

export class DeadlineError extends Error {}

/** What went wrong on the side since the test began; told when a deadline passes. */
export const oddities: string[] = [];

function late(limit: number, what: string): DeadlineError {
    const also = oddities.length > 0 ? `\nmeanwhile: ${oddities.slice(0, 3).join("\n           ")}` : "";
    return new DeadlineError(`waited ${limit} ms in vain: ${what}${also}`);
}

/** Resolves when `condition` holds, looked at after every event; rejects at the deadline. */
export function until(condition: () => boolean, what: string, ms = 10_000): Promise<void> {
    if (condition()) {
        return Promise.resolve();
    }
    const limit = ms * pace.slowness;
    return new Promise((resolve, reject) => {
        const end = (settle: () => void): void => {
            watchers.delete(look);
            clearTimeout(timer);
            settle();
        };
        const look = (): void => {
            try {
                if (condition()) {
                    end(resolve);
                }
            } catch (e) {
                end(() => reject(e as Error));
            }
        };
        const timer = setTimeout(() => {
            end(() => reject(late(limit, what)));
        }, limit);
        watchers.add(look);
    });
}

/** The promise's value, or an error at the deadline that says what was awaited. */
export function within<T>(promise: Promise<T>, what: string, ms = 10_000): Promise<T> {
    const limit = ms * pace.slowness;
    let timer: NodeJS.Timeout;
    const bound = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(late(limit, what)), limit);
    });
    return Promise.race([promise, bound]).finally(() => clearTimeout(timer));
}

/** A pause that is part of what is tested (typing speed, a reader that reads nothing for a while),
 * never a substitute for waiting. */
export function pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

/** For what can only be asked, not heard (a metrics page): asks again until it holds. */
export async function poll(ask: () => Promise<boolean>, what: string, ms = 10_000): Promise<void> {
    const deadline = performance.now() + ms * pace.slowness;
    while (!(await ask())) {
        if (performance.now() > deadline) {
            throw late(ms * pace.slowness, what);
        }
        await pause(25);
    }
}
