/** A matrix-js-sdk client as an application would have one: logged in and always syncing. */

import { emitted, until } from "./checks.mjs";
import { ClientEvent, MemoryStore, SyncState, createClient } from "matrix-js-sdk";

const PASSWORD = "correct horse battery staple";
const LONG_POLL_MS = 10_000;

// The library says much of what it does; it is shown when a check has failed.
const log = Object.fromEntries(
    ["trace", "debug", "info", "warn", "error"].map((level) => [
        level,
        (...values) => console.error(level, ...values),
    ]),
);
log.getChild = () => log;

export class Device {
    /** The base URL of the server is the script's one argument. */
    static #url = process.argv[2];

    /** The first device of a new user. */
    static async ofNewUser(localpart, options = {}) {
        const anonymous = createClient({ baseUrl: Device.#url, logger: log });
        const auth = { type: "m.login.dummy" };
        return new Device(await anonymous.registerRequest({ username: localpart, password: PASSWORD, auth }), options);
    }

    /** A further device of a user. */
    static async ofKnownUser(localpart, options = {}) {
        const anonymous = createClient({ baseUrl: Device.#url, logger: log });
        const identifier = { type: "m.id.user", user: localpart };
        return new Device(
            await anonymous.loginRequest({ type: "m.login.password", identifier, password: PASSWORD }),
            options,
        );
    }

    /** `options` are those of the library's createClient. */
    constructor(session, options) {
        this.client = createClient({
            baseUrl: Device.#url,
            userId: session.user_id,
            deviceId: session.device_id,
            accessToken: session.access_token,
            store: new MemoryStore(),
            timelineSupport: true,
            logger: log,
            ...options,
        });
        this.userId = session.user_id;
        this.deviceId = session.device_id;
    }

    /** Returns after the first sync. */
    async start(options = {}) {
        const prepared = emitted(this.client, ClientEvent.Sync, (state) => state === SyncState.Prepared);
        await this.client.startClient({ threadSupport: true, pollTimeout: LONG_POLL_MS, ...options });
        await prepared;
        return this;
    }

    async startEncrypted() {
        await this.client.initRustCrypto({ useIndexedDB: false });
        return this.start();
    }

    stop() {
        this.client.stopClient();
    }

    /** Answers the server's question for the password; the way that the library wants for uploads of keys. */
    get authenticate() {
        return (request) =>
            this.withPassword((auth) => request(auth));
    }

    /** Makes a request that needs interactive authentication: without it first, as clients do. */
    async withPassword(request) {
        try {
            return await request(null);
        } catch (error) {
            if (error.httpStatus !== 401 || !error.data?.flows) throw error;
            const identifier = { type: "m.id.user", user: this.userId };
            return request({
                type: "m.login.password",
                identifier,
                password: PASSWORD,
                session: error.data.session,
            });
        }
    }

    room(roomId) {
        return this.client.getRoom(roomId);
    }

    /** Waits until a sync has brought the room with the given membership of ours. */
    knows(roomId, membership = "join") {
        return until(`${this.userId} has ${roomId} as ${membership}`, () => {
            const room = this.room(roomId);
            return room?.getMyMembership() === membership && room;
        });
    }

    /** Waits until a sync has told us of someone's membership in a room. */
    sees(userId, roomId, membership = "join") {
        const is = () => this.room(roomId)?.getMember(userId)?.membership === membership;
        return until(`${userId} is ${membership} for ${this.userId}`, is);
    }

    /** Waits until an event has arrived by sync, in whatever timeline; the event as the library has it. */
    has(roomId, eventId) {
        return until(`${this.userId} has ${eventId}`, () => this.room(roomId)?.findEventById(eventId));
    }
}
