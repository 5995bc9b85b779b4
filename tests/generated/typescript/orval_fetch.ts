import { address, token } from "./server";

/** Sends what a generated function wants to send. */
export async function send<T>(path: string, options: RequestInit): Promise<T> {
  const headers = new Headers(options.headers);
  headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(`${address}${path}`, { ...options, headers });
  const text = await response.text();
  const data: unknown = text === "" ? undefined : JSON.parse(text);
  return { data, status: response.status, headers: response.headers } as T;
}
