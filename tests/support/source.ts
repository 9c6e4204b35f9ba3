/* source.ts: the HTTP server of somebody else whom the server asks: a key set, or who may do what. It
 * can be slow, down, changing or lying, and counts what it is asked.
 */
import { type IncomingMessage, type Server as HttpServer, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json } from "./client.ts";
import { happened, until } from "./wait.ts";

export interface Answer {
    status?: number;
    headers?: Record<string, string>;
    body?: string;
    /** Milliseconds until it is given; Infinity: never. */
    after?: number;
    /** The connection is cut instead. */
    cut?: true;
}

export interface Asked {
    method: string;
    path: string;
    headers: IncomingMessage["headers"];
    body: string;
}

export class Source {
    readonly asked: Asked[] = [];
    /** What it says, by what it is asked; a test may change it at any time. */
    says: (asked: Asked) => Answer;
    private http: HttpServer | undefined;
    private port = 0;
    private readonly timers = new Set<NodeJS.Timeout>();

    private constructor(says: (asked: Asked) => Answer) {
        this.says = says;
    }

    static async start(says: (asked: Asked) => Answer): Promise<Source> {
        const source = new Source(says);
        await source.up();
        return source;
    }

    get url(): string {
        return `http://127.0.0.1:${this.port}/asked`;
    }

    async up(): Promise<void> {
        const http = createServer((request, response) => this.take(request, response));
        this.http = http;
        http.listen(this.port, "127.0.0.1", happened);
        await until(() => http.listening, "the source's port");
        this.port = (http.address() as AddressInfo).port;
    }

    /** From here on connections are refused. */
    async down(): Promise<void> {
        const http = this.http;
        this.http = undefined;
        this.timers.forEach((timer) => clearTimeout(timer));
        if (http) {
            let closed = false;
            http.close(() => {
                closed = true;
                happened();
            });
            http.closeAllConnections();
            await until(() => closed, "the source's end");
        }
    }

    private take(request: IncomingMessage, response: ServerResponse): void {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
            const asked: Asked = {
                method: request.method!,
                path: request.url!,
                headers: request.headers,
                body: Buffer.concat(chunks).toString(),
            };
            this.asked.push(asked);
            this.answer(this.says(asked), response);
            happened();
        });
    }

    private answer(answer: Answer, response: ServerResponse): void {
        const give = (): void => {
            if (answer.cut) {
                response.destroy();
                return;
            }
            response.writeHead(answer.status ?? 200, { "Content-Type": "application/json", ...answer.headers });
            response.end(answer.body ?? "");
        };
        if (answer.after === undefined) {
            give();
        } else if (Number.isFinite(answer.after)) {
            const timer = setTimeout(() => {
                this.timers.delete(timer);
                give();
            }, answer.after);
            this.timers.add(timer);
        }
    }

    /** What it was asked, as JSON. */
    get bodies(): Json[] {
        return this.asked.map((a) => JSON.parse(a.body));
    }
}
