//! smoltcp, sender and receiver on one core, with the programs' share left out:
//! nothing is copied into the sender's buffer or out of the receiver's.

use crate::loopback::{self, End};
use crate::measuring::{Counted, Window};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address};
use std::io::{Error, Result};

/// Of each socket buffer: more does not fit the caches any more.
const BUFFER_BYTES: usize = 256 << 10;
const PORT: u16 = 5001;

struct Host {
    interface: Interface,
    device: End,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Host {
    fn new(mut device: End, number: u8) -> Self {
        let mac = EthernetAddress([2, 0, 0, 0, 0, number]);
        let mut interface =
            Interface::new(Config::new(HardwareAddress::Ethernet(mac)), &mut device, Instant::now());
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(address(number), 24)).expect("room for one address");
        });
        let buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(Socket::new(buffer(), buffer()));
        Self { interface, device, sockets, socket }
    }

    fn poll(&mut self) {
        self.interface.poll(Instant::now(), &mut self.device, &mut self.sockets);
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.socket)
    }
}

/// One connection, one way, for the window's time.
pub fn measure(window: &Window) -> Result<String> {
    let [left, right] = loopback::pair();
    let mut sender = Host::new(left, 1);
    let mut receiver = Host::new(right, 2);
    receiver.socket().listen(PORT).map_err(Error::other)?;
    let context = sender.interface.context();
    sender
        .sockets
        .get_mut::<Socket>(sender.socket)
        .connect(context, (address(2), PORT), 49_152)
        .map_err(Error::other)?;

    let mut counted = Counted::start(window);
    let mut frames_before = None;
    loop {
        while sender.socket().can_send() {
            sender.socket().send(|room| (room.len(), ())).map_err(Error::other)?;
        }
        sender.poll();
        receiver.poll();
        let mut bytes = 0;
        while receiver.socket().can_recv() {
            bytes += receiver.socket().recv(|data| (data.len(), data.len())).map_err(Error::other)?;
        }
        let going_on = counted.add(bytes as u64);
        if counted.total > 0 {
            frames_before.get_or_insert(sender.device.sent_frames);
        }
        if !going_on {
            break;
        }
    }
    let frames = sender.device.sent_frames - frames_before.unwrap_or(0);
    let rate = frames as f64 / counted.seconds();
    let report = counted.bytes_report();
    Ok(format!("{},\"packets_per_second\":{rate:.0}}}", report.trim_end_matches('}')))
}

fn address(number: u8) -> IpAddress {
    IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, number))
}
