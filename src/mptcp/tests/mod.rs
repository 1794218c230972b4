//! One connection, driven segment by segment by a scripted peer: what RFC 8684
//! asks of an endpoint, section by section.

mod address;
mod announce;
mod attempts;
mod backup;
mod capable;
mod close;
mod data;
mod data_ack;
mod data_fin;
mod fallback;
mod fast_close;
mod hostile;
mod infinite;
mod join;
mod limits;
mod reinject;
mod reset;
mod script;
mod segment;
mod size;
