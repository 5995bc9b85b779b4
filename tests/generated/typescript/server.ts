/** The server of tests/clients/with_server.py. */
export const address = process.env["HEADWATER_ADDRESS"]!;
export const token = process.env["HEADWATER_TOKEN"]!;
