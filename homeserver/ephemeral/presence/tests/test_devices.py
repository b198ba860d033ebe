from homeserver.ephemeral.presence.devices import Devices, Timeouts
from homeserver.ephemeral.presence.state import State

TIMEOUTS = Timeouts(idle=300, offline=30, active=60)
PHONE, DESK = 1, 2


def state(devices: Devices, now: float) -> State:
    return devices.state_at(now, TIMEOUTS)


def test_who_syncs_is_online_until_a_while_after() -> None:
    devices = Devices()
    assert devices.syncing(PHONE, State.ONLINE, now=0)
    assert state(devices, 200) is State.ONLINE
    devices.synced(PHONE, 200)
    assert state(devices, 229) is State.ONLINE
    assert state(devices, 230) is State.OFFLINE
    assert not devices.by_nid


def test_who_does_nothing_is_idle_though_the_client_says_online() -> None:
    devices = Devices()
    devices.syncing(PHONE, State.ONLINE, now=0)
    assert state(devices, 299) is State.ONLINE
    assert state(devices, 300) is State.UNAVAILABLE
    assert not devices.syncing(PHONE, State.ONLINE, now=310)
    assert state(devices, 310) is State.UNAVAILABLE
    devices.active(PHONE, 320)
    assert state(devices, 320) is State.ONLINE


def test_the_best_device_counts() -> None:
    devices = Devices()
    devices.syncing(PHONE, State.UNAVAILABLE, now=0)
    assert state(devices, 0) is State.UNAVAILABLE
    devices.syncing(DESK, State.ONLINE, now=0)
    assert state(devices, 0) is State.ONLINE
    devices.set_state(PHONE, State.BUSY, now=0)
    assert state(devices, 0) is State.BUSY
    devices.set_state(PHONE, State.OFFLINE, now=1)
    assert state(devices, 1) is State.ONLINE


def test_a_sync_does_not_end_being_busy() -> None:
    devices = Devices()
    devices.set_state(DESK, State.BUSY, now=0)
    devices.syncing(DESK, State.ONLINE, now=1)
    assert state(devices, 1) is State.BUSY
    devices.synced(DESK, 1)
    assert state(devices, 3600) is State.BUSY
    assert state(devices, 3601) is State.OFFLINE


def test_coming_back_is_an_activity() -> None:
    devices = Devices()
    devices.syncing(PHONE, State.UNAVAILABLE, now=0)
    assert devices.syncing(PHONE, State.ONLINE, now=10)
    assert devices.by_nid[PHONE].active_at == 10


def test_several_polls_of_a_device_are_counted() -> None:
    devices = Devices()
    for now in (0, 1):
        devices.syncing(PHONE, State.ONLINE, now)
    devices.synced(PHONE, 2)
    assert state(devices, 100) is State.ONLINE
    devices.synced(PHONE, 100)
    assert state(devices, 130) is State.OFFLINE


def test_deadlines() -> None:
    devices = Devices()
    assert devices.next_deadline(0, TIMEOUTS) == float("inf")
    devices.syncing(PHONE, State.ONLINE, now=0)
    assert devices.next_deadline(0, TIMEOUTS) == 300
    devices.synced(PHONE, 10)
    assert devices.next_deadline(10, TIMEOUTS) == 40
    devices.set_state(PHONE, State.BUSY, now=20)
    assert devices.next_deadline(20, TIMEOUTS) == 3620
