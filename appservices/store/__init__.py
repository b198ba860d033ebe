"""Tables appservice, appservice_room and appservice_event."""
