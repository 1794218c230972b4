//! What the trace of memory accesses says besides: whose turn it is, which
//! addresses are what, and from when on to count. Under valgrind these lines
//! stand in its log, between the accesses.

use super::meter::ask;
use std::ops::Range;

/// valgrind's request to print a text (valgrind/valgrind.h).
const PRINT: u64 = 0x1403;

/// Texts end by a line feed and a zero, and have no `%`.
fn print(text: &'static [u8]) {
    // A va_list without arguments.
    let arguments = [0_u64; 3];
    ask(&[PRINT, text.as_ptr() as u64, arguments.as_ptr() as u64, 0, 0, 0]);
}

/// Marks a trace, if there is one.
#[derive(Debug, Default)]
pub struct Marks {
    is_traced: bool,
    /// By core: ready, so that a mark leaves next to no trace itself.
    cores: Vec<&'static [u8]>,
}

fn line(text: &str) -> &'static [u8] {
    Box::leak(format!("mpdk {text}\n\0").into_bytes().into())
}

impl Marks {
    pub fn new(cores: usize, is_traced: bool) -> Self {
        let cores = (0..cores).map(|core| line(&format!("core {core}"))).collect();
        Self { is_traced, cores }
    }

    /// What `act` does, a core does.
    pub fn on_core<T>(&self, core: usize, act: impl FnOnce() -> T) -> T {
        if !self.is_traced {
            return act();
        }
        print(self.cores[core]);
        let result = act();
        print(b"mpdk world\n\0");
        result
    }

    /// From now on it counts.
    pub fn begin(&self) {
        if self.is_traced {
            print(b"mpdk begin\n\0");
        }
    }

    /// From now on nothing counts.
    pub fn end(&self) {
        if self.is_traced {
            print(b"mpdk end\n\0");
        }
    }

    pub const fn is_traced(&self) -> bool {
        self.is_traced
    }

    /// What lies at these addresses.
    pub fn range(&self, class: &str, range: &Range<usize>) {
        if self.is_traced {
            print(line(&format!("range {class} {:x} {:x}", range.start, range.end)));
        }
    }
}
