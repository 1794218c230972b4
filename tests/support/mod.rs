//! A live network for tests: namespaces, links, the kernel's MPTCP as a peer,
//! its counters, captures. Everything made here is gone when it is dropped.
//!
//! Every test program includes the whole of it and uses a part.
#![allow(dead_code, unused_imports)]

mod capture;
mod core_counts;
mod counters;
mod desk;
mod file;
mod http;
mod kernel_mptcp;
mod lines;
mod link;
mod namespace;
mod pair;
mod process;
mod profile;
mod root;
mod site;
mod small_disk;
mod sockets;
mod wait;

pub use capture::Capture;
pub use core_counts::CoreCounts;
pub use counters::Counters;
pub use desk::Desk;
pub use file::{RandomFile, sha256_of};
pub use http::{
    HttpServer, download, download_and_stay, read_answer, read_head, request, request_and_stay, upload,
};
pub use kernel_mptcp::{
    MptcpInfo, kernel_mptcp_connect, kernel_mptcp_connections, kernel_mptcp_listener, mptcp_info,
};
pub use lines::disjoint_lines;
pub use link::{LinkBytes, adopt_tap, veth_pair};
pub use namespace::Namespace;
pub use pair::KernelPair;
pub use process::{Process, program, run};
pub use profile::profile;
pub use root::is_root;
pub use site::Site;
pub use small_disk::SmallDisk;
pub use sockets::{Socket, mptcp_sockets, subflows};
pub use wait::{DEADLINE, wait_for, wait_until};
