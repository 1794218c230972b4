use super::script::{Host, MSS, peer, plain};
use crate::tcp::{Config, OptionContext, OptionSource};
use crate::wire::{OptionBytes, TcpFlags};

/// Fills what room there is, and remembers it.
struct Greedy(Vec<usize>);

impl OptionSource<u32> for Greedy {
    fn write_options(&mut self, _context: &OptionContext<u32>, room: usize, options: &mut OptionBytes) {
        self.0.push(room);
        options.extend(std::iter::repeat_n(1, room));
    }
}

fn with_timestamps() -> Host {
    Host::established(Config { timestamps: true, ..plain() })
}

#[test]
fn a_syn_has_linux_s_layout() {
    let mut host = Host::connect(Config { timestamps: true, window_scale: 9, ..plain() });
    let mut source = Greedy(Vec::new());
    let syn = host.sent_with(&mut source, 0).remove(0);
    assert_eq!(source.0, [20]);
    assert_eq!(syn.options[..8], [2, 4, 3, 232, 4, 2, 8, 10]);
    assert_eq!(syn.options[16..20], [1, 3, 3, 9]);
    assert_eq!(syn.options.len(), 40);
}

#[test]
fn data_leaves_28_bytes_to_the_room_above() {
    let mut host = with_timestamps();
    host.push(10);
    let mut source = Greedy(Vec::new());
    let data = host.sent_with(&mut source, 0).remove(0);
    assert_eq!((source.0, &data.options[..4]), (vec![28], &[1, 1, 8, 10][..]));
}

#[test]
fn an_ack_shares_its_room_with_sack() {
    let mut host = with_timestamps();
    for at in [2, 4, 6] {
        host.inject(&peer(".", 1 + at * 1_000, 1).data(1_000).timestamps(2, 0));
    }
    let mut source = Greedy(Vec::new());
    let acks = host.sent_with(&mut source, 0);
    assert_eq!(source.0, [16; 3]);
    assert!(acks.iter().all(|ack| ack.tcp.options.sack.len() == 1 && ack.options.len() == 40));
    assert_eq!(acks[0].options[12..16], [1, 1, 5, 10]);
}

#[test]
fn a_signal_ack_has_all_the_room_and_goes_first() {
    let mut host = with_timestamps();
    host.push(10);
    host.inject(&peer(".", 2_001, 1).data(1_000).timestamps(2, 0));
    host.subflow.request_signal_ack();
    let mut source = Greedy(Vec::new());
    let sent = host.sent_with(&mut source, 0);
    assert_eq!(source.0[0], 28);
    assert_eq!(sent.iter().map(|sent| sent.payload.len()).collect::<Vec<_>>(), [0, 10]);
    assert!(sent.iter().all(|sent| sent.tcp.options.sack.is_empty()));
}

#[test]
fn the_reset_of_an_abort_has_options() {
    let mut host = with_timestamps();
    host.subflow.abort();
    let mut source = Greedy(Vec::new());
    let reset = host.sent_with(&mut source, 0).remove(0);
    assert_eq!((reset.options.len(), source.0), (40, vec![28]));
    assert!(reset.tcp.flags.contains(TcpFlags::RST));
}

#[test]
fn a_requested_ack_leaves_once() {
    let mut host = with_timestamps();
    host.subflow.request_ack();
    assert_eq!(host.out(), [". 1:1(0) ack 1"]);
    assert_eq!(host.out(), [] as [&str; 0]);
    host.subflow.request_ack();
    host.push(5);
    assert_eq!(host.out(), ["P. 1:6(5) ack 1"]);
    assert_eq!(host.subflow.segment_payload(0), usize::from(MSS) - 12);
}
