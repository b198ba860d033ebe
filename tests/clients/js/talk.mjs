/** Two people in a room: messages, threads, edits, reactions, receipts, redactions, history. */

import { assert, check, emitted, finished, refused, until } from "./checks.mjs";
import {
    ClientEvent,
    Direction,
    EventStatus,
    MatrixEventEvent,
    NotificationCountType,
    ReceiptType,
    RelationsEvent,
    RoomEvent,
    RoomStateEvent,
    ThreadEvent,
} from "matrix-js-sdk";

import { Device } from "./device.mjs";

const [alice, bob] = await check("both register and sync", async () => {
    const devices = await Promise.all([Device.ofNewUser("alice"), Device.ofNewUser("bob")]);
    return Promise.all(devices.map((device) => device.start()));
});

const roomId = await check("a room is made, with an invitation", async () => {
    const invited = emitted(bob.client, RoomEvent.MyMembership, (_, membership) => membership === "invite");
    const made = await alice.client.createRoom({ name: "The Moot", topic: "Talk", invite: [bob.userId] });
    const [room] = await invited;
    assert.equal(room.roomId, made.room_id);
    assert.equal(room.name, "The Moot");
    assert.equal(room.getMember(bob.userId).events.member.getSender(), alice.userId);
    return made.room_id;
});

await check("who was invited joins", async () => {
    const joined = alice.knows(roomId).then(() => alice.sees(bob.userId, roomId));
    await bob.client.joinRoom(roomId);
    const room = await bob.knows(roomId);
    await joined;
    await until("Alice is a member", () => room.getMember(alice.userId)?.membership === "join");
    assert.equal(room.currentState.getStateEvents("m.room.topic", "").getContent().topic, "Talk");
    assert.equal(room.getJoinedMemberCount(), 2);
});

const say = async (speaker, body, threadId = null) =>
    (await speaker.client.sendTextMessage(roomId, threadId, body)).event_id;
const said = (listener, body) =>
    emitted(listener.client, RoomEvent.Timeline, (event, room, toStart) => !toStart && event.getContent().body === body);

const rootId = await check("messages go both ways, and become the sender's own echo", async () => {
    const echoed = emitted(alice.client, RoomEvent.LocalEchoUpdated, (event) => event.status === null);
    const heard = said(bob, "hello");
    const eventId = await say(alice, "hello");
    const [event] = await heard;
    assert.deepEqual([event.getId(), event.getSender()], [eventId, alice.userId]);
    const [echo] = await echoed;
    assert.equal(echo.getUnsigned().transaction_id, echo.getTxnId());
    assert.notEqual(echo.status, EventStatus.SENDING);
    const answered = said(alice, "hello yourself");
    await say(bob, "hello yourself");
    await answered;
    const own = alice.room(roomId).getLiveTimeline().getEvents();
    assert.equal(own.filter((one) => one.getId() === eventId).length, 1, "an echo beside the event");
    return eventId;
});

await check("unread messages are counted, until they are read", async () => {
    const room = bob.room(roomId);
    const heard = said(bob, "for bob: two");
    await say(alice, "for bob: one");
    const lastId = await say(alice, "for bob: two");
    const [last] = await heard;
    await until("two are unread", () => room.getUnreadNotificationCount(NotificationCountType.Total) === 2);
    assert.equal(room.getUnreadNotificationCount(NotificationCountType.Highlight), 0);
    const receipt = emitted(alice.client, RoomEvent.Receipt, (event, _) => JSON.stringify(event.getContent()).includes(bob.userId));
    await bob.client.sendReadReceipt(last);
    await receipt;
    assert.ok(alice.room(roomId).hasUserReadEvent(bob.userId, lastId));
    await until("nothing is unread", () => room.getUnreadNotificationCount(NotificationCountType.Total) === 0);
});

await check("a mention highlights", async () => {
    const room = bob.room(roomId);
    await alice.client.sendMessage(roomId, {
        msgtype: "m.text",
        body: "you there",
        "m.mentions": { user_ids: [bob.userId] },
    });
    await until("a highlight", () => room.getUnreadNotificationCount(NotificationCountType.Highlight) === 1);
});

await check("a private receipt is its owner's alone, and clears what is unread", async () => {
    const room = bob.room(roomId);
    const lastId = room.getLiveTimeline().getEvents().at(-1).getId();
    await bob.client.sendReadReceipt(room.findEventById(lastId), ReceiptType.ReadPrivate);
    await until("nothing is unread", () => room.getUnreadNotificationCount(NotificationCountType.Total) === 0);
    const heard = said(alice, "after the private receipt");
    await say(bob, "after the private receipt");
    await heard;
    const receipts = alice.room(roomId).getReceiptsForEvent(alice.room(roomId).findEventById(lastId));
    assert.ok(!receipts.some((receipt) => receipt.type === ReceiptType.ReadPrivate));
});

await check("read markers are kept", async () => {
    const room = bob.room(roomId);
    const last = room.getLiveTimeline().getEvents().at(-1);
    const marked = emitted(room, RoomEvent.AccountData, (event) => event.getType() === "m.fully_read");
    await bob.client.setRoomReadMarkers(roomId, last.getId(), last);
    const [event] = await marked;
    assert.equal(event.getContent().event_id, last.getId());
});

const replyId = await check("a thread grows, for both", async () => {
    const begun = emitted(bob.room(roomId), ThreadEvent.New, (thread) => thread.id === rootId);
    const replyId = await say(alice, "in the thread", rootId);
    const [thread] = await begun;
    await until("the reply is in the thread", () => thread.events.some((event) => event.getId() === replyId));
    assert.equal(thread.rootEvent.getId(), rootId);
    const replied = emitted(alice.room(roomId), ThreadEvent.NewReply, (_, event) => event.getSender() === bob.userId);
    const secondId = await say(bob, "me too", rootId);
    await replied;
    const own = alice.room(roomId).getThread(rootId);
    await until("both replies count", () => own.length === 2 && own.replyToEvent?.getId() === secondId);
    const timeline = bob.room(roomId).getLiveTimeline().getEvents();
    assert.ok(!timeline.some((event) => event.getId() === secondId), "a reply in the main timeline");
    return secondId;
});

await check("the root tells of its thread", async () => {
    const root = await bob.client.fetchRoomEvent(roomId, rootId);
    const { count, latest_event, current_user_participated } = root.unsigned["m.relations"]["m.thread"];
    assert.deepEqual([count, latest_event.event_id, current_user_participated], [2, replyId, true]);
});

await check("threads are listed", async () => {
    const room = bob.room(roomId);
    const [all, mine] = await room.createThreadsTimelineSets();
    await room.fetchRoomThreads();
    for (const threads of [all, mine])
        assert.deepEqual(threads.getLiveTimeline().getEvents().map((event) => event.getId()), [rootId]);
});

await check("what is unread in a thread is counted there, and read there", async () => {
    const room = bob.room(roomId);
    const count = () => room.getThreadUnreadNotificationCount(rootId, NotificationCountType.Total);
    assert.equal(count(), 0);
    const told = emitted(room, RoomEvent.UnreadNotifications, (_, threadId) => threadId === rootId);
    const eventId = await say(alice, "anybody in the thread?", rootId);
    await told;
    assert.equal(count(), 1);
    assert.equal(room.getRoomUnreadNotificationCount(NotificationCountType.Total), 0);
    const event = await bob.has(roomId, eventId);
    const receipt = emitted(alice.client, RoomEvent.Receipt, (one) =>
        JSON.stringify(one.getContent()).includes(`"thread_id":"${rootId}"`),
    );
    await bob.client.sendReadReceipt(event);
    await receipt;
    await until("nothing is unread in the thread", () => count() === 0);
    assert.ok(alice.room(roomId).getThread(rootId).hasUserReadEvent(bob.userId, eventId));
});

await check("an edit replaces what was said", async () => {
    const heard = said(bob, "a mistkae");
    const eventId = await say(alice, "a mistkae");
    const [event] = await heard;
    const replaced = emitted(event, MatrixEventEvent.Replaced);
    await alice.client.sendMessage(roomId, {
        msgtype: "m.text",
        body: "* a mistake",
        "m.new_content": { msgtype: "m.text", body: "a mistake" },
        "m.relates_to": { rel_type: "m.replace", event_id: eventId },
    });
    await replaced;
    assert.equal(event.getContent().body, "a mistake");
    const fetched = await bob.client.fetchRoomEvent(roomId, eventId);
    assert.equal(fetched.unsigned["m.relations"]["m.replace"].content["m.new_content"].body, "a mistake");
    const { originalEvent, events } = await bob.client.relations(roomId, eventId, "m.replace", "m.room.message");
    assert.deepEqual([originalEvent.getId(), events.length], [eventId, 1]);
});

const reactionId = await check("a reaction is added once", async () => {
    const event = bob.room(roomId).findEventById(rootId);
    const reacted = emitted(event, MatrixEventEvent.RelationsCreated);
    const content = { "m.relates_to": { rel_type: "m.annotation", event_id: rootId, key: "👍" } };
    const { event_id } = await alice.client.sendEvent(roomId, "m.reaction", content);
    await reacted;
    const reactions = bob.room(roomId).relations.getChildEventsForEvent(rootId, "m.annotation", "m.reaction");
    await until("the reaction is there", () => reactions.getSortedAnnotationsByKey()?.length);
    const [[key, events]] = reactions.getSortedAnnotationsByKey();
    assert.deepEqual([key, [...events].map((one) => one.getSender())], ["👍", [alice.userId]]);
    await refused("M_DUPLICATE_ANNOTATION", alice.client.sendEvent(roomId, "m.reaction", content));
    return event_id;
});

await check("a reaction is taken back", async () => {
    const reactions = bob.room(roomId).relations.getChildEventsForEvent(rootId, "m.annotation", "m.reaction");
    const removed = emitted(reactions, RelationsEvent.Redaction, (event) => event.getId() === reactionId);
    await alice.client.redactEvent(roomId, reactionId);
    await removed;
    await until("no reaction is left", () => !reactions.getSortedAnnotationsByKey().some(([, events]) => events.size));
});

await check("a redaction takes the words from both", async () => {
    const heard = said(bob, "forget this");
    const eventId = await say(alice, "forget this");
    const [event] = await heard;
    const redacted = emitted(bob.client, RoomEvent.Redaction, (one) => one.event.redacts === eventId || one.getContent().redacts === eventId);
    await alice.client.redactEvent(roomId, eventId, undefined, { reason: "second thoughts" });
    const [redaction] = await redacted;
    assert.equal(redaction.getContent().reason, "second thoughts");
    assert.ok(event.isRedacted());
    assert.deepEqual(event.getContent(), {});
    const fetched = await bob.client.fetchRoomEvent(roomId, eventId);
    assert.deepEqual([fetched.content, fetched.unsigned.redacted_because.sender], [{}, alice.userId]);
});

await check("typing is seen, and its end", async () => {
    // The library does not pass on the events of members whom it knew before it joined.
    const isTyping = () => bob.room(roomId).getMember(alice.userId).typing;
    await alice.client.sendTyping(roomId, true, 20_000);
    await until("Alice types", isTyping);
    await alice.client.sendTyping(roomId, false, 0);
    await until("Alice has stopped", () => !isTyping());
});

await check("the room's state changes for both, and for who may", async () => {
    const renamed = emitted(bob.client, RoomEvent.Name, (room) => room.name === "The Great Moot");
    await alice.client.setRoomName(roomId, "The Great Moot");
    await renamed;
    await refused("M_FORBIDDEN", bob.client.setRoomName(roomId, "Bob's"));
    await alice.client.setPowerLevel(roomId, bob.userId, 50);
    await until("Bob has power", () => bob.room(roomId).getMember(bob.userId).powerLevel === 50);
    const changed = emitted(alice.client, RoomStateEvent.Events, (event) => event.getType() === "m.room.topic");
    await bob.client.setRoomTopic(roomId, "Talk and listen");
    const [event] = await changed;
    assert.equal(event.getContent().topic, "Talk and listen");
    const said = await alice.has(roomId, event.getId());
    assert.equal(said.getPrevContent().topic, "Talk");
});

await check("history is paged to its beginning, once each", async () => {
    const later = await new Device(await sessionOf(bob), { timelineSupport: true }).start({ initialSyncLimit: 3 });
    const room = later.room(roomId);
    await until("the create event", async () => {
        await later.client.scrollback(room, 5);
        return room.getLiveTimeline().getEvents().some((event) => event.getType() === "m.room.create");
    });
    const ids = room.getLiveTimeline().getEvents().map((event) => event.getId());
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.includes(rootId));
    assert.ok(room.getThread(rootId), "its thread is known");
    await until("the thread's replies", () => room.getThread(rootId).events.some((event) => event.getId() === replyId));
    later.stop();
});

await check("a place in history is found, with what surrounds it", async () => {
    const room = bob.room(roomId);
    const set = room.getUnfilteredTimelineSet();
    const later = await new Device(await sessionOf(bob), {}).start({ initialSyncLimit: 1 });
    const lateSet = later.room(roomId).getUnfilteredTimelineSet();
    const timeline = await later.client.getEventTimeline(lateSet, rootId);
    assert.ok(timeline.getEvents().some((event) => event.getId() === rootId));
    assert.ok(await later.client.paginateEventTimeline(timeline, { backwards: false, limit: 4 }));
    later.stop();
    const sent = set.findEventById(rootId).getTs();
    const found = await bob.client.timestampToEvent(roomId, sent, Direction.Forward);
    assert.equal(found.event_id, rootId);
});

await check("who is kicked is out; who is banned stays out", async () => {
    const membership = (is) => emitted(bob.client, RoomEvent.MyMembership, (_, now) => now === is);
    const kicked = membership("leave");
    await alice.client.kick(roomId, bob.userId, "not today");
    await kicked;
    const reason = bob.room(roomId).getMember(bob.userId).events.member.getContent().reason;
    assert.equal(reason, "not today");
    await refused("M_FORBIDDEN", bob.client.sendTextMessage(roomId, "still here?"));
    const banned = membership("ban");
    await alice.client.ban(roomId, bob.userId, "ever");
    await banned;
    await refused("M_FORBIDDEN", bob.client.joinRoom(roomId));
    await alice.client.unban(roomId, bob.userId);
    const deleted = emitted(bob.client, ClientEvent.DeleteRoom, (id) => id === roomId);
    await bob.client.forget(roomId);
    await deleted;
});

alice.stop();
bob.stop();
finished();

/** What a further client of the same device needs. */
function sessionOf(device) {
    return { user_id: device.userId, device_id: device.deviceId, access_token: device.client.getAccessToken() };
}
