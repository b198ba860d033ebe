/** Encrypted rooms with the library's Rust crypto: identities, verification, secrets, backups, messages. */

import { assert, check, emitted, finished, until } from "./checks.mjs";
import { EventType } from "matrix-js-sdk";
import {
    CryptoEvent,
    VerificationPhase,
    VerificationRequestEvent,
    VerifierEvent,
    decodeRecoveryKey,
} from "matrix-js-sdk/lib/crypto-api/index.js";

import { Device } from "./device.mjs";
import { WrittenKey } from "./secrets.mjs";

const SAS = "m.sas.v1";

// Up to ten seconds go by before the library backs up keys.
const random = Math.random;
Math.random = () => random() / 50;

const written = new WrittenKey();
const [alice, bob] = await check("both register, and upload keys", async () => {
    const devices = await Promise.all([
        Device.ofNewUser("alice", { cryptoCallbacks: written.cryptoCallbacks }),
        Device.ofNewUser("bob"),
    ]);
    return Promise.all(devices.map((device) => device.startEncrypted()));
});

const recoveryKey = await check("an identity is made, kept as a secret, with a backup of keys", async () => {
    const crypto = alice.client.getCrypto();
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: alice.authenticate });
    assert.ok(await crypto.isCrossSigningReady());
    const created = await crypto.createRecoveryKeyFromPassphrase();
    await crypto.bootstrapSecretStorage({
        createSecretStorageKey: async () => created,
        setupNewKeyBackup: true,
        setupNewSecretStorage: true,
    });
    assert.ok(await crypto.isSecretStorageReady());
    assert.ok(await crypto.getActiveSessionBackupVersion());
    await bob.client.getCrypto().bootstrapCrossSigning({ authUploadDeviceSigningKeys: bob.authenticate });
    return created.encodedPrivateKey;
});

const roomId = await check("an encrypted room has both", async () => {
    const { room_id } = await alice.client.createRoom({
        invite: [bob.userId],
        initial_state: [
            { type: EventType.RoomEncryption, state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } },
        ],
    });
    await bob.knows(room_id, "invite");
    await bob.client.joinRoom(room_id);
    await bob.knows(room_id);
    await alice.sees(bob.userId, room_id);
    assert.ok(await bob.client.getCrypto().isEncryptionEnabledInRoom(room_id));
    return room_id;
});

/** The event, once the device can read it. */
async function reads(device, eventId) {
    const event = await device.has(roomId, eventId);
    await until(`${device.deviceId} decrypts ${eventId}`, () => event.getType() === "m.room.message");
    return event;
}

const say = async (device, body) => (await device.client.sendTextMessage(roomId, body)).event_id;

const firstId = await check("messages are read by both, and by nobody else", async () => {
    const eventId = await say(alice, "only for you");
    const event = await reads(bob, eventId);
    assert.equal(event.getContent().body, "only for you");
    assert.equal(event.getWireType(), "m.room.encrypted");
    const answerId = await say(bob, "and for you");
    assert.equal((await reads(alice, answerId)).getContent().body, "and for you");
    return eventId;
});

await check("two people verify each other by emoji", async () => {
    await verified(alice, bob, () => alice.client.getCrypto().requestVerificationDM(bob.userId, roomId));
    const trusts = async (one, other) =>
        (await one.client.getCrypto().getUserVerificationStatus(other.userId)).isCrossSigningVerified();
    await until("Alice trusts Bob", () => trusts(alice, bob));
    await until("Bob trusts Alice", () => trusts(bob, alice));
});

const second = await check("a new device is verified by the old one, and told the secrets", async () => {
    const device = await Device.ofKnownUser("alice");
    await device.startEncrypted();
    await verified(device, alice, () => device.client.getCrypto().requestOwnUserVerification());
    await until("the new device has the identity", () => device.client.getCrypto().isCrossSigningReady());
    const status = await bob.client.getCrypto().getDeviceVerificationStatus(alice.userId, device.deviceId);
    await until("Bob sees that it is signed", async () => {
        const now = await bob.client.getCrypto().getDeviceVerificationStatus(alice.userId, device.deviceId);
        return now?.signedByOwner;
    });
    assert.ok(status === null || !status.localVerified);
    return device;
});

await check("the new device is part of the conversation", async () => {
    await until("Bob knows the device", async () => {
        const devices = await bob.client.getCrypto().getUserDeviceInfo([alice.userId]);
        return devices.get(alice.userId)?.has(second.deviceId);
    });
    const eventId = await say(bob, "to both of your devices");
    for (const device of [alice, second])
        assert.equal((await reads(device, eventId)).getContent().body, "to both of your devices");
    const ownId = await say(second, "from the new one");
    for (const device of [alice, bob])
        assert.equal((await reads(device, ownId)).getContent().body, "from the new one");
});

await check("what was said before is read from the backup, with the recovery key alone", async () => {
    // The library remembers what it was told of the backup when it began.
    await until("the backup has the keys", async () => {
        const info = await alice.client.http.authedRequest("GET", "/room_keys/version");
        return info.count >= 3;
    });
    const typed = new WrittenKey();
    typed.set(decodeRecoveryKey(recoveryKey));
    const third = await Device.ofKnownUser("alice", { cryptoCallbacks: typed.cryptoCallbacks });
    await third.startEncrypted();
    const crypto = third.client.getCrypto();
    await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
    const { imported, total } = await crypto.restoreKeyBackup();
    assert.ok(imported >= 3 && imported === total, `${imported} of ${total}`);
    const room = await third.knows(roomId);
    await third.client.scrollback(room, 50);
    assert.equal((await reads(third, firstId)).getContent().body, "only for you");
    await until("the identity is known", () => crypto.userHasCrossSigningKeys(third.userId, true));
    await crypto.bootstrapCrossSigning({});
    assert.ok(await crypto.isCrossSigningReady());
    third.stop();
});

await check("who has left reads no more", async () => {
    await alice.client.kick(roomId, bob.userId);
    await bob.knows(roomId, "leave");
    const eventId = await say(alice, "now he is gone");
    assert.equal((await reads(second, eventId)).getContent().body, "now he is gone");
    assert.equal(bob.room(roomId).findEventById(eventId), undefined);
});

for (const device of [alice, bob, second]) device.stop();
finished();

/** Verifies by emoji, from the request to the end; both sides say that they match. */
async function verified(asking, asked, request) {
    const received = emitted(asked.client, CryptoEvent.VerificationRequestReceived);
    const own = await request();
    const [theirs] = await received;
    await theirs.accept();
    await phase(own, VerificationPhase.Ready);
    const verifier = await own.startVerification(SAS);
    const ownDone = confirmed(verifier);
    await phase(theirs, VerificationPhase.Started);
    const theirDone = confirmed(theirs.verifier);
    await Promise.all([ownDone, theirDone]);
    await Promise.all([phase(own, VerificationPhase.Done), phase(theirs, VerificationPhase.Done)]);
}

async function phase(request, wanted) {
    await until(`the verification is at ${wanted}`, () => request.phase === wanted);
}

async function confirmed(verifier) {
    const shown = verifier.getShowSasCallbacks();
    const sas = shown ? [shown] : null;
    const showing = sas ?? emitted(verifier, VerifierEvent.ShowSas);
    const done = verifier.verify();
    const [callbacks] = await showing;
    assert.equal(callbacks.sas.emoji.length, 7);
    await callbacks.confirm();
    await done;
}
