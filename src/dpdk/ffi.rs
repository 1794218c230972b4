//! The C shim's functions as Rust declares them, generated from `shim/shim.h`.
#![allow(missing_docs, dead_code, non_camel_case_types, non_upper_case_globals, unused_qualifications)]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/shim.rs"));
