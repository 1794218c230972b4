//! The mpdk binary.

fn main() {}
