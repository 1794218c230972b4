//! Packets as DPDK's are: taken out of a pool by the core that receives them,
//! given back by the core that is done with them.

use super::HEAP;
use super::meter::Meter;
use super::packet::{Buffer, Frame};
use mpdk::base::Packet;
use mpdk::device::{HandOver, InDevice};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// Buffers that a core keeps to itself, as `dpdk::PoolConfig` has it; half as
/// many beyond, and the rest goes back (`rte_mempool`).
const CACHE: usize = 256;

/// What a core keeps to itself; nothing of it shares a line with another.
#[derive(Debug)]
#[repr(align(128))]
pub struct Cache(RefCell<Vec<&'static Buffer>>);

impl Cache {
    /// An empty one.
    pub fn new() -> Self {
        Self(RefCell::new(Vec::with_capacity(2 * CACHE)))
    }
}

/// A pool for all cores.
#[derive(Debug)]
pub struct Pool {
    meter: Rc<Meter>,
    caches: Vec<Cache>,
    common: RefCell<VecDeque<&'static Buffer>>,
}

thread_local! {
    /// Buffers know their pool by themselves; here there is one.
    static POOL: Cell<Option<&'static Pool>> = const { Cell::new(None) };
}

impl Pool {
    /// The pool of this thread, for ever.
    pub fn install(
        meter: Rc<Meter>,
        buffers: VecDeque<&'static Buffer>,
        caches: Vec<Cache>,
    ) -> &'static Self {
        let pool = Box::leak(Box::new(Self { meter, caches, common: RefCell::new(buffers) }));
        POOL.set(Some(pool));
        pool
    }

    /// A buffer for this core's NIC queue.
    pub fn take(&self) -> &'static Buffer {
        let core = HEAP.core().expect("the turn of a core");
        let mut cache = self.caches[core].0.borrow_mut();
        if cache.is_empty() {
            let mut common = self.common.borrow_mut();
            let count = CACHE.min(common.len());
            cache.extend(common.drain(..count));
        }
        cache.pop().expect("a buffer: the pool is large enough")
    }

    fn give(&self, buffer: &'static Buffer) {
        let Some(core) = HEAP.core() else { return self.common.borrow_mut().push_back(buffer) };
        let mut cache = self.caches[core].0.borrow_mut();
        cache.push(buffer);
        if cache.len() >= CACHE * 3 / 2 {
            self.common.borrow_mut().extend(cache.drain(CACHE..));
        }
    }
}

/// A window on a packet of the pool.
#[derive(Debug)]
pub struct Mbuf(ManuallyDrop<Frame>);

/// A packet on its way to another core, which nobody else holds.
#[derive(Debug)]
pub struct HandedOver(Mbuf);

// SAFETY: `hand_over` made sure that this is the only reference to the packet.
unsafe impl Send for HandedOver {}

impl Mbuf {
    /// The packet that a NIC left in a buffer.
    pub fn received(buffer: &'static Buffer, len: usize) -> Self {
        Self(ManuallyDrop::new(Frame::received(buffer, len)))
    }
}

impl HandOver for Mbuf {
    type Parcel = HandedOver;

    fn hand_over(self) -> Result<HandedOver, Self> {
        if self.0.is_exclusive() { Ok(HandedOver(self)) } else { Err(self) }
    }

    fn take_over(parcel: HandedOver) -> Self {
        parcel.0
    }
}

impl InDevice<Self> for Mbuf {
    fn in_device(&self) -> Option<&Self> {
        Some(self)
    }
}

impl Packet for Mbuf {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn head(&self) -> &[u8] {
        self.0.head()
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        self.0.for_each_piece(visit);
    }

    fn share(&self) -> Self {
        Self(ManuallyDrop::new(self.0.share()))
    }

    fn trim_front(&mut self, count: usize) {
        self.0.trim_front(count);
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn append(&mut self, mut tail: Self) -> Result<(), Self> {
        // SAFETY: what is taken out is forgotten, or put back.
        let frame = unsafe { ManuallyDrop::take(&mut tail.0) };
        std::mem::forget(tail);
        self.0.append(frame).map_err(|frame| Self(ManuallyDrop::new(frame)))
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        // SAFETY: nobody looks at it after this.
        let frame = unsafe { ManuallyDrop::take(&mut self.0) };
        match POOL.get() {
            // The pool is the driver's, and not counted.
            Some(pool) if frame.is_exclusive() => {
                pool.meter.aside(|| frame.free(|buffer| pool.give(buffer)));
            }
            _ => drop(frame),
        }
    }
}
