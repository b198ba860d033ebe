/** A dehydrated device is told keys while its user is logged out everywhere (MSC3814). */

import { assert, check, emitted, finished, until } from "./checks.mjs";
import { EventType } from "matrix-js-sdk";
import { CryptoEvent, decodeRecoveryKey } from "matrix-js-sdk/lib/crypto-api/index.js";

import { Device } from "./device.mjs";
import { WrittenKey } from "./secrets.mjs";

const written = new WrittenKey();
const options = { cryptoCallbacks: written.cryptoCallbacks };

const [alice, bob] = await check("both register, and upload keys", async () => {
    const devices = await Promise.all([Device.ofNewUser("alice", options), Device.ofNewUser("bob")]);
    return Promise.all(devices.map((device) => device.startEncrypted()));
});

const recoveryKey = await check("a device is dehydrated, under a key that is kept as a secret", async () => {
    const crypto = alice.client.getCrypto();
    await crypto.bootstrapCrossSigning({ authUploadDeviceSigningKeys: alice.authenticate });
    const created = await crypto.createRecoveryKeyFromPassphrase();
    // Without a backup of keys, what a later device can read it has from the dehydrated one.
    await crypto.bootstrapSecretStorage({ createSecretStorageKey: async () => created, setupNewSecretStorage: true });
    assert.equal(await crypto.getActiveSessionBackupVersion(), null);
    assert.ok(await crypto.isDehydrationSupported());
    const uploaded = emitted(alice.client, CryptoEvent.DehydratedDeviceUploaded);
    await crypto.startDehydration();
    await uploaded;
    return created.encodedPrivateKey;
});

const roomId = await check("an encrypted room has both", async () => {
    const algorithm = "m.megolm.v1.aes-sha2";
    const { room_id } = await bob.client.createRoom({
        invite: [alice.userId],
        initial_state: [{ type: EventType.RoomEncryption, state_key: "", content: { algorithm } }],
    });
    await alice.knows(room_id, "invite");
    await alice.client.joinRoom(room_id);
    await bob.knows(room_id);
    await bob.sees(alice.userId, room_id);
    return room_id;
});

const eventId = await check("a message is sent to who is logged out everywhere", async () => {
    await alice.client.logout(true);
    await until("Bob knows the dehydrated device alone", async () => {
        const known = await bob.client.getCrypto().getUserDeviceInfo([alice.userId], true);
        const devices = [...(known.get(alice.userId)?.values() ?? [])];
        return devices.length === 1 && devices[0].dehydrated;
    });
    return (await bob.client.sendTextMessage(roomId, "while you were away")).event_id;
});

await check("a new device reads it, with the recovery key alone", async () => {
    written.set(decodeRecoveryKey(recoveryKey));
    const device = await Device.ofKnownUser("alice", options);
    await device.startEncrypted();
    const event = await device.has(roomId, eventId);
    await until("it cannot be read yet", () => event.isDecryptionFailure());
    const crypto = device.client.getCrypto();
    await until("the identity is known", () => crypto.userHasCrossSigningKeys(device.userId, true));
    await crypto.bootstrapCrossSigning({});
    const told = emitted(device.client, CryptoEvent.RehydrationProgress);
    const uploaded = emitted(device.client, CryptoEvent.DehydratedDeviceUploaded);
    await crypto.startDehydration();
    const [keys] = await told;
    assert.equal(keys, 1);
    await until("it is read", () => event.getType() === EventType.RoomMessage);
    assert.equal(event.getContent().body, "while you were away");
    await uploaded;
    const { devices } = await device.client.getDevices();
    assert.equal(devices.length, 2, "one dehydrated device is beside the one in use");
    device.stop();
});

bob.stop();
finished();
