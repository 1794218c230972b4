use super::*;
use proptest::prelude::*;

fn any_address() -> impl Strategy<Value = Address> {
    any::<SocketAddr>().prop_map(Address::from)
}

fn any_socket() -> impl Strategy<Value = SocketAddr> {
    // Scope and flow label are not carried.
    any::<SocketAddr>().prop_map(|address| SocketAddr::new(address.ip(), address.port()))
}

fn any_range() -> impl Strategy<Value = BlockRange> {
    any::<(u32, u32, u32)>().prop_map(|(block, offset, len)| BlockRange { block, offset, len })
}

fn any_connection() -> impl Strategy<Value = ConnectionHandle> {
    any::<u64>().prop_map(ConnectionHandle)
}

fn any_listener() -> impl Strategy<Value = ListenerHandle> {
    any::<u64>().prop_map(ListenerHandle)
}

fn any_reason() -> impl Strategy<Value = Reason> {
    any::<u32>().prop_map(Reason)
}

fn any_opened() -> impl Strategy<Value = (u64, ConnectionHandle, SocketAddr, SocketAddr)> {
    (any::<u64>(), any_connection(), any_socket(), any_socket())
}

fn any_submission() -> impl Strategy<Value = Submission> {
    prop_oneof![
        (any::<u64>(), any_address(), any::<u32>(), any::<u16>()).prop_map(
            |(user_data, address, backlog, flags)| Submission::Listen { user_data, address, backlog, flags }
        ),
        any_listener().prop_map(|listener| Submission::CloseListener { listener }),
        (any_listener(), any::<u32>())
            .prop_map(|(listener, count)| Submission::AcceptMore { listener, count }),
        (any::<u64>(), any_address(), any_address(), any::<u16>()).prop_map(
            |(user_data, remote, local, flags)| Submission::Connect { user_data, remote, local, flags }
        ),
        (any_connection(), any_range())
            .prop_map(|(connection, range)| Submission::Send { connection, range }),
        any::<u32>().prop_map(|block| Submission::Release { block }),
        any_connection().prop_map(|connection| Submission::ShutdownWrite { connection }),
        any_connection().prop_map(|connection| Submission::Close { connection }),
        any_connection().prop_map(|connection| Submission::Abort { connection }),
        any_connection().prop_map(|connection| Submission::Want { connection }),
        any::<[u32; 10]>().prop_map(|body| Submission::ReleasePacket { tickets: Tickets::from_body(&body) }),
        (any::<u64>(), any_connection())
            .prop_map(|(user_data, connection)| Submission::Info { user_data, connection }),
    ]
}

fn any_completion() -> impl Strategy<Value = Completion> {
    prop_oneof![
        (any::<u64>(), any::<u64>().prop_map(ListenerHandle), any_socket()).prop_map(
            |(user_data, listener, address)| Completion::Listening { user_data, listener, address }
        ),
        any_opened().prop_map(|(user_data, connection, local, remote)| Completion::Accepted {
            user_data,
            connection,
            local,
            remote
        }),
        any_opened().prop_map(|(user_data, connection, local, remote)| Completion::Connected {
            user_data,
            connection,
            local,
            remote
        }),
        (any_connection(), any_range())
            .prop_map(|(connection, range)| Completion::Received { connection, range }),
        any_connection().prop_map(|connection| Completion::ReceivedFin { connection }),
        any_connection().prop_map(|connection| Completion::HeldBack { connection }),
        (any_connection(), any::<u32>(), any::<u16>(), any::<[u32; 10]>()).prop_map(
            |(connection, ticket, left, body)| {
                let pieces = Pieces::from_body(&body);
                Completion::ReceivedInPlace { connection, ticket, left, pieces }
            }
        ),
        any::<(u32, u32)>().prop_map(|(block, end)| Completion::SendDone { block, end }),
        (any_connection(), any_reason())
            .prop_map(|(connection, reason)| Completion::Closed { connection, reason }),
        (any::<u64>(), any_reason()).prop_map(|(user_data, reason)| Completion::Failed { user_data, reason }),
        (any::<u64>(), any_connection(), any_range())
            .prop_map(|(user_data, connection, range)| Completion::Info { user_data, connection, range }),
    ]
}

proptest! {
    #[test]
    fn a_submission_survives_the_ring(submission in any_submission()) {
        prop_assert_eq!(Submission::decode(&submission.encode()), Ok(submission));
    }

    #[test]
    fn a_completion_survives_the_ring(completion in any_completion()) {
        prop_assert_eq!(Completion::decode(&completion.encode()), Ok(completion));
    }

    #[test]
    fn any_words_are_some_descriptor(words: Words) {
        prop_assert_eq!(Descriptor::from_words(&words).to_words(), words);
        if let Ok(submission) = Submission::decode(&words) {
            prop_assert_eq!(Submission::decode(&submission.encode()), Ok(submission));
        }
    }
}

#[test]
fn the_words_are_the_fields_in_memory() {
    let descriptor = Descriptor {
        kind: 0x0201,
        flags: 0x0403,
        value: 0x0807_0605,
        user_data: 9,
        handle: 10,
        body: [0; 10],
    }
    .addresses("192.0.2.1:258".parse::<SocketAddr>().unwrap().into(), Address::NONE);
    let bytes: Vec<u8> = descriptor.to_words().iter().flat_map(|word| word.to_ne_bytes()).collect();
    assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((bytes[8], bytes[16]), (9, 10));
    assert_eq!(bytes[24..32], [4, 0, 2, 1, 192, 0, 2, 1]);
}

#[test]
fn unknown_kinds_and_families_are_errors() {
    let nothing = Descriptor::default();
    assert_eq!(Submission::decode(&nothing.to_words()), Err(Malformed::Kind(0)));
    let accepted = Descriptor { kind: completion_kind::ACCEPTED, ..nothing };
    assert_eq!(Completion::decode(&accepted.to_words()), Err(Malformed::Address(completion_kind::ACCEPTED)));
}
