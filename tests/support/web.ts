/* web.ts: plain HTTP requests from an address of one's choice, with any header. */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Json } from "./client.ts";
import type { Server } from "./server.ts";
import { within } from "./wait.ts";

export interface WebOptions {
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    from?: string;
    ca?: string;
}

export interface WebAnswer {
    status: number;
    headers: Record<string, string | string[] | undefined>;
    text: string;
    json: Json;
}

export function web(server: Server, path: string, options: WebOptions = {}): Promise<WebAnswer> {
    const url = server.http(path);
    const start = url.startsWith("https") ? httpsRequest : httpRequest;
    const answer = new Promise<WebAnswer>((resolve, reject) => {
        const request = start(
            url,
            {
                method: options.method ?? "GET",
                headers: options.headers,
                localAddress: options.from,
                agent: false,
                ...(options.ca ? { ca: options.ca } : {}),
            },
            (response) => {
                const chunks: Buffer[] = [];
                response.on("data", (chunk: Buffer) => chunks.push(chunk));
                response.on("end", () => {
                    const text = Buffer.concat(chunks).toString();
                    let json: Json;
                    try {
                        json = JSON.parse(text);
                    } catch {
                        json = undefined;
                    }
                    resolve({ status: response.statusCode!, headers: response.headers, text, json });
                });
            },
        );
        request.on("error", reject);
        request.end(options.body);
    });
    return within(answer, `the answer to ${path}`);
}
