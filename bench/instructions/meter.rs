//! What is counted and what is not: requests to valgrind. Without valgrind they
//! do nothing.

use std::cell::Cell;

/// callgrind's requests (valgrind/callgrind.h).
const TOGGLE_COLLECT: u64 = 0x4354_0002;
const START_INSTRUMENTATION: u64 = 0x4354_0004;

/// A request and its arguments, as valgrind reads them.
pub type Request = [u64; 6];
static TOGGLE: Request = [TOGGLE_COLLECT, 0, 0, 0, 0, 0];
static START: Request = [START_INSTRUMENTATION, 0, 0, 0, 0, 0];

/// Switches the counting of instructions.
#[derive(Debug, Default)]
pub struct Meter {
    begun: Cell<bool>,
    counting: Cell<bool>,
}

impl Meter {
    /// From now on `counted` counts; what came before ran faster for it.
    pub fn begin(&self) {
        ask(&START);
        self.begun.set(true);
    }

    /// Does something that counts.
    pub fn counted<T>(&self, act: impl FnOnce() -> T) -> T {
        if !self.begun.get() {
            return act();
        }
        self.counting.set(true);
        ask(&TOGGLE);
        let result = act();
        ask(&TOGGLE);
        self.counting.set(false);
        result
    }

    /// Does something that does not count, wherever it is called.
    pub fn aside(&self, act: impl FnOnce()) {
        if self.counting.get() {
            ask(&TOGGLE);
            act();
            ask(&TOGGLE);
        } else {
            act();
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn ask(request: &Request) {
    // SAFETY: valgrind.h's sequence for this processor: rotations by 128 bits in
    // all and an exchange of a register with itself do nothing, and valgrind, which
    // knows them, reads the request behind rax and writes its answer to rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request,
            inout("rdx") 0u64 => _,
            options(nostack),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub fn ask(_request: &Request) {}
