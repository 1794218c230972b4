use super::*;
use crate::shm::Server;

fn listen(user_data: u64, port: u16, backlog: u32) -> Submission {
    Submission::Listen { user_data, address: address(port).into(), backlog, flags: 1 }
}

/// Opens listener `listener` and returns its handle.
fn listening(slot: &mut ClientSlot, client: &mut RawClient, listener: u32, backlog: u32) -> Completion {
    client.submit(listen(40, 8080, backlog));
    let request = slot.next_request().unwrap();
    let Some(Request::Listen { ticket, address: bound, plain_tcp: true, .. }) = request else {
        panic!("{request:?}");
    };
    slot.listening(ticket, ListenerId(listener), bound);
    slot.flush().unwrap();
    client.completions()[0]
}

#[test]
fn accepting_waits_for_credit() {
    let (mut slot, mut client) = pair();
    let Completion::Listening { user_data: 40, listener, address: bound } =
        listening(&mut slot, &mut client, 3, 2)
    else {
        panic!("not listening");
    };
    assert_eq!(bound, address(8080));
    let accept = |slot: &mut ClientSlot, index| slot.accepted(ListenerId(3), id(index), bound, address(9));
    assert!(accept(&mut slot, 0) && accept(&mut slot, 1));
    assert!(!accept(&mut slot, 2), "the backlog is used up");
    client.submit(Submission::AcceptMore { listener, count: u32::MAX });
    assert!(slot.next_request().unwrap().is_none());
    assert_eq!(slot.accept_room(ListenerId(3)), 2, "never more than the backlog");
    assert!(accept(&mut slot, 2));
    slot.flush().unwrap();
    let accepted = |index| Completion::Accepted {
        user_data: 40,
        connection: handle(id(index)),
        local: bound,
        remote: address(9),
    };
    assert_eq!(client.completions(), [accepted(0), accepted(1), accepted(2)]);

    client.submit(Submission::CloseListener { listener });
    let request = slot.next_request().unwrap();
    assert!(matches!(request, Some(Request::CloseListener { listener: ListenerId(3) })));
    assert!(!accept(&mut slot, 3));
    // A new listener in the same place is not the old one.
    listening(&mut slot, &mut client, 3, 1);
    client.submit(Submission::CloseListener { listener });
    assert!(slot.next_request().unwrap().is_none());
}

#[test]
fn limits_are_answers() {
    let limits = Limits { connections: 2, listeners: 1, backlog: 7, ..Limits::default() };
    let (mut slot, mut client) = pair_with(limits);
    client.submit(connect(0));
    client.submit(connect(1));
    client.submit(connect(2));
    client.submit(listen(3, 1, u32::MAX));
    client.submit(listen(4, 2, 0));
    let mut tickets = Vec::new();
    while let Some(request) = slot.next_request().unwrap() {
        match request {
            Request::Connect { ticket, .. } => tickets.push(ticket),
            Request::Listen { ticket, backlog, .. } => {
                assert_eq!(backlog, 7);
                tickets.push(ticket);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tickets.len(), 3);
    slot.flush().unwrap();
    let too_many = |user_data| Completion::Failed { user_data, reason: Reason::TOO_MANY };
    assert_eq!(client.completions(), [too_many(2), too_many(4)]);

    // What has failed does not count.
    for ticket in tickets {
        slot.failed(ticket, Reason::REFUSED);
    }
    slot.flush().unwrap();
    assert_eq!(client.completions().len(), 3);
    client.submit(connect(5));
    client.submit(listen(6, 1, 1));
    assert!(matches!(slot.next_request().unwrap(), Some(Request::Connect { .. })));
    assert!(matches!(slot.next_request().unwrap(), Some(Request::Listen { .. })));
}

#[test]
fn nonsense_that_harms_nobody_is_refused() {
    let (mut slot, mut client) = pair();
    client.submit(Submission::Connect {
        user_data: 1,
        remote: Address::NONE,
        local: Address::NONE,
        flags: 0,
    });
    client.submit(Submission::Listen { user_data: 2, address: Address::NONE, backlog: 1, flags: 0 });
    client.submit(Submission::Info { user_data: 3, connection: ConnectionHandle(77) });
    client.submit(Submission::Close { connection: ConnectionHandle(77) });
    client.submit(Submission::Abort { connection: ConnectionHandle(77) });
    client.submit(Submission::ShutdownWrite { connection: ConnectionHandle(77) });
    assert!(slot.next_request().unwrap().is_none());
    slot.flush().unwrap();
    let failed = |user_data, reason| Completion::Failed { user_data, reason };
    let expected = [failed(1, Reason::INVALID), failed(2, Reason::INVALID), failed(3, Reason::NOT_CONNECTED)];
    assert_eq!(client.completions(), expected);
}

#[test]
fn connections_are_named_as_the_engine_names_them() {
    let (mut slot, mut client) = connected(2);
    client.submit(Submission::ShutdownWrite { connection: handle(id(1)) });
    client.submit(Submission::Close { connection: handle(id(1)) });
    client.submit(Submission::Abort { connection: handle(id(0)) });
    assert!(
        matches!(slot.next_request().unwrap(), Some(Request::ShutdownWrite { connection }) if connection == id(1))
    );
    assert!(
        matches!(slot.next_request().unwrap(), Some(Request::Close { connection }) if connection == id(1))
    );
    assert!(
        matches!(slot.next_request().unwrap(), Some(Request::Abort { connection }) if connection == id(0))
    );
    assert_eq!(slot.connections().count(), 2);
    slot.closed(id(0), Reason::ABORTED);
    assert_eq!(slot.connections().collect::<Vec<_>>(), [id(1)]);
}

#[test]
fn a_client_that_takes_no_answers_gets_no_more_served() {
    let limits = Limits { waiting_answers: 4, ..Limits::default() };
    let (mut slot, mut client) = pair_with(limits);
    let question = Submission::Info { user_data: 0, connection: ConnectionHandle(1) };
    let mut served = 0;
    for _ in 0..200 {
        while client.submissions.push(&question.encode()).unwrap() {
            served += 1;
        }
        client.submissions.publish();
        assert!(slot.next_request().unwrap().is_none());
        slot.flush().unwrap();
    }
    // On the completion ring, held back with one batch over the limit, and
    // still on the submission ring.
    assert!(served <= 16 + (4 + 16) + 32 + 16, "{served}");
    let mut answered = 0;
    while answered < served {
        answered += client.completions().len();
        assert!(slot.next_request().unwrap().is_none());
        slot.flush().unwrap();
    }
    assert_eq!(answered, served);
}

#[test]
fn a_client_that_leaves_is_heard_out() {
    let (mut slot, mut client) = connected(1);
    client.send(id(0), 0, 0, b"farewell");
    client.region.client().closed.store(1, std::sync::atomic::Ordering::Release);
    assert!(matches!(slot.next_request().unwrap(), Some(Request::Send { .. })));
    assert!(!slot.is_gone());
    assert!(slot.next_request().unwrap().is_none());
    assert!(slot.is_gone());
}

#[test]
fn a_client_that_dies_is_noticed_and_heard_out() {
    let mut server = Server::new(1);
    let (slot, mut client) = connected(1);
    let client_id = server.add(slot).unwrap();
    assert!(server.add(pair().0).is_err(), "one client is the limit");
    client.submit(Submission::Close { connection: handle(id(0)) });
    drop(client);
    assert!(!server.prepare_sleep(), "its last words are there");
    server.cancel_sleep();
    let slot = server.get_mut(client_id).unwrap();
    assert!(matches!(slot.next_request().unwrap(), Some(Request::Close { .. })));
    assert!(slot.next_request().unwrap().is_none());
    slot.closed(id(0), Reason::NONE);
    assert_eq!(server.gone().collect::<Vec<_>>(), [client_id]);
    server.flush(|_, violation| panic!("{violation}"));
    assert!(server.remove(client_id).is_some());
    assert_eq!(server.iter_mut().count(), 0);
    assert!(server.prepare_sleep());
}
