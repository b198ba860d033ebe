/** What people do besides talking: rooms that are found, spaces, profiles, settings of their own. */

import { assert, check, emitted, finished, refused, until } from "./checks.mjs";
import { ClientEvent, JoinRule, Preset, PushRuleKind, RoomEvent, SetPresence, UserEvent, Visibility } from "matrix-js-sdk";

import { Device } from "./device.mjs";

const [alice, bob] = await check("both register and sync", async () => {
    const devices = await Promise.all([Device.ofNewUser("alice"), Device.ofNewUser("bob")]);
    return Promise.all(devices.map((device) => device.start()));
});

await check("versions and capabilities are told", async () => {
    const { versions } = await alice.client.getVersions();
    assert.ok(versions.includes("v1.10"));
    const capabilities = await alice.client.getCapabilities();
    assert.equal(capabilities["m.change_password"].enabled, true);
    assert.ok(capabilities["m.room_versions"].available["12"]);
});

const roomId = await check("a public room is found by its alias and in the directory", async () => {
    const { room_id } = await alice.client.createRoom({
        name: "Fish of the North",
        preset: Preset.PublicChat,
        visibility: Visibility.Public,
        room_alias_name: "fish",
    });
    const { room_id: found } = await bob.client.getRoomIdForAlias("#fish:localhost");
    assert.equal(found, room_id);
    const { chunk } = await bob.client.publicRooms({ filter: { generic_search_term: "fish" } });
    assert.deepEqual(chunk.map((room) => [room.room_id, room.num_joined_members]), [[room_id, 1]]);
    await bob.client.joinRoom("#fish:localhost");
    await bob.knows(room_id);
    return room_id;
});

await check("aliases come and go", async () => {
    await alice.client.createAlias("#salmon:localhost", roomId);
    const { aliases } = await alice.client.getLocalAliases(roomId);
    assert.deepEqual(aliases, ["#fish:localhost", "#salmon:localhost"]);
    await alice.client.deleteAlias("#salmon:localhost");
    await refused("M_NOT_FOUND", bob.client.getRoomIdForAlias("#salmon:localhost"));
});

await check("a space shows what is in it, before one joins", async () => {
    const { room_id: spaceId } = await alice.client.createRoom({
        name: "Waters",
        preset: Preset.PublicChat,
        creation_content: { type: "m.space" },
    });
    await alice.client.sendStateEvent(spaceId, "m.space.child", { via: ["localhost"], suggested: true }, roomId);
    const { rooms } = await bob.client.getRoomHierarchy(spaceId);
    assert.deepEqual(rooms.map((room) => room.room_id), [spaceId, roomId]);
    assert.deepEqual(rooms[0].children_state.map((child) => child.state_key), [roomId]);
    const summary = await bob.client.getRoomSummary(spaceId);
    assert.deepEqual([summary.name, summary.room_type], ["Waters", "m.space"]);
    const space = await alice.knows(spaceId);
    assert.ok(space.isSpaceRoom());
});

await check("what was said is searched", async () => {
    const { event_id } = await alice.client.sendTextMessage(roomId, "Herrings, pike, and Störe");
    await bob.has(roomId, event_id);
    const { results, count } = await bob.client.searchRoomEvents({ term: "stör" });
    assert.deepEqual([results.length, count], [1, 1]);
    assert.equal(results[0].context.getEvent().getId(), event_id);
});

await check("profiles change for all", async () => {
    await alice.client.setDisplayName("Alice of the Fish");
    await until("Bob knows the name", () => bob.room(roomId).getMember(alice.userId).name === "Alice of the Fish");
    await alice.client.setAvatarUrl("mxc://localhost/fish");
    const profile = await bob.client.getProfileInfo(alice.userId);
    assert.deepEqual(profile, { displayname: "Alice of the Fish", avatar_url: "mxc://localhost/fish" });
    assert.ok(await bob.client.doesServerSupportExtendedProfiles());
    await alice.client.setExtendedProfileProperty("org.example.language", "smk");
    assert.equal(await bob.client.getExtendedProfileProperty(alice.userId, "org.example.language"), "smk");
});

await check("people are found", async () => {
    const { results } = await bob.client.searchUserDirectory({ term: "alice of" });
    assert.deepEqual(results.map((user) => user.user_id), [alice.userId]);
});

await check("presence is seen", async () => {
    const isAway = (_, { presence, presenceStatusMsg }) => presence === "unavailable" && presenceStatusMsg === "fishing";
    const seen = emitted(bob.client, UserEvent.Presence, isAway);
    // Or the next sync says that she is online.
    await alice.client.setSyncPresence(SetPresence.Unavailable);
    await alice.client.setPresence({ presence: "unavailable", status_msg: "fishing" });
    const [, user] = await seen;
    assert.equal(user.userId, alice.userId);
});

await check("tags and account data come by sync", async () => {
    const tagged = emitted(alice.client, RoomEvent.Tags, (event) => event.getContent().tags["m.favourite"]);
    await alice.client.setRoomTag(roomId, "m.favourite", { order: 0.5 });
    const [event] = await tagged;
    assert.equal(event.getContent().tags["m.favourite"].order, 0.5);
    await alice.client.setAccountData("org.example.boat", { colour: "red" });
    assert.deepEqual(alice.client.getAccountData("org.example.boat").getContent(), { colour: "red" });
    assert.deepEqual(await alice.client.getAccountDataFromServer("org.example.boat"), { colour: "red" });
});

await check("who is ignored is not heard", async () => {
    await bob.client.setIgnoredUsers([alice.userId]);
    assert.ok(bob.client.isUserIgnored(alice.userId));
    const { event_id } = await alice.client.sendTextMessage(roomId, "to nobody");
    const { chunk } = await bob.client.createMessagesRequest(roomId, null, 5, "b");
    assert.ok(!chunk.some((event) => event.event_id === event_id));
    await bob.client.setIgnoredUsers([]);
});

await check("push rules are added, switched off and removed", async () => {
    const rules = () => bob.client.getPushRules().then(({ global }) => global.content ?? []);
    const changed = emitted(bob.client, ClientEvent.AccountData, (event) => event.getType() === "m.push_rules");
    await bob.client.addPushRule("global", PushRuleKind.ContentSpecific, "pike", {
        pattern: "pike",
        actions: ["notify", { set_tweak: "highlight" }],
    });
    await changed;
    const own = async () => (await rules()).find((rule) => rule.rule_id === "pike");
    assert.deepEqual([(await own()).pattern, (await own()).enabled], ["pike", true]);
    await bob.client.setPushRuleEnabled("global", PushRuleKind.ContentSpecific, "pike", false);
    assert.equal((await own()).enabled, false);
    await bob.client.setPushRuleActions("global", PushRuleKind.ContentSpecific, "pike", ["notify"]);
    assert.deepEqual((await own()).actions, ["notify"]);
    await bob.client.deletePushRule("global", PushRuleKind.ContentSpecific, "pike");
    assert.equal(await own(), undefined);
});

await check("files go up and down", async () => {
    const bytes = new TextEncoder().encode("not many pike");
    const { content_uri } = await alice.client.uploadContent(bytes, { name: "pike.txt", type: "text/plain" });
    const url = bob.client.mxcUrlToHttp(content_uri, undefined, undefined, undefined, false, true, true);
    const headers = { Authorization: `Bearer ${bob.client.getAccessToken()}` };
    const answer = await fetch(url, { headers });
    assert.equal(await answer.text(), "not many pike");
});

await check("who wants to come in knocks", async () => {
    const { room_id } = await alice.client.createRoom({ name: "Closed", room_version: "11" });
    await alice.client.sendStateEvent(room_id, "m.room.join_rules", { join_rule: JoinRule.Knock }, "");
    await bob.client.knockRoom(room_id, { reason: "let me in" });
    await bob.knows(room_id, "knock");
    await alice.sees(bob.userId, room_id, "knock");
    await alice.client.invite(room_id, bob.userId);
    await bob.knows(room_id, "invite");
    await bob.client.joinRoom(room_id);
    await bob.knows(room_id);
});

await check("a room is upgraded, and leads to the new one", async () => {
    const { replacement_room: newId } = await alice.client.upgradeRoom(roomId, "12");
    await until("the tombstone", () => bob.room(roomId).currentState.getStateEvents("m.room.tombstone", ""));
    const tombstone = bob.room(roomId).currentState.getStateEvents("m.room.tombstone", "").getContent();
    assert.equal(tombstone.replacement_room, newId);
    await bob.client.joinRoom(newId);
    const room = await bob.knows(newId);
    await until("its name", () => room.name === "Fish of the North");
    assert.equal(room.findPredecessor().roomId, roomId);
    const { room_id } = await bob.client.getRoomIdForAlias("#fish:localhost");
    assert.equal(room_id, newId);
});

await check("sessions are listed, named and ended", async () => {
    const second = await Device.ofKnownUser("bob");
    await second.client.setDeviceDetails(second.deviceId, { display_name: "Second" });
    const { devices } = await bob.client.getDevices();
    assert.deepEqual(new Set(devices.map((one) => one.device_id)), new Set([bob.deviceId, second.deviceId]));
    assert.equal(devices.find((one) => one.device_id === second.deviceId).display_name, "Second");
    await bob.withPassword((auth) => bob.client.deleteDevice(second.deviceId, auth ?? undefined));
    await refused("M_UNKNOWN_TOKEN", second.client.whoami());
    await bob.client.logout(true);
    await refused("M_UNKNOWN_TOKEN", bob.client.whoami());
});

alice.stop();
finished();
