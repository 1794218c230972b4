//! Deadlines of many connections: a hierarchical timer wheel. Arming, moving
//! and disarming a timer take constant time whatever the number of timers.

use crate::base::Instant;

#[cfg(test)]
mod tests;

/// A tick is 2^18 ns: 262 us, far below any timer of TCP.
const TICK_SHIFT: u32 = 18;
/// 64 slots per level: one bit each in a word.
const SLOT_SHIFT: u32 = 6;
const SLOTS: usize = 1 << SLOT_SHIFT;
/// 8 levels of 6 bits hold every tick of a 64-bit nanosecond clock.
const LEVELS: usize = 8;
/// The list of timers whose time has come; the lists before it are slots.
const DUE: u16 = (LEVELS * SLOTS) as u16;
/// Not armed.
const NOWHERE: u16 = u16::MAX;
/// End of a list.
const NONE: u32 = u32::MAX;

/// A timer of a [`TimerWheel`], from `create` to `destroy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerId(u32);

/// Timers that give their key back when their deadline has passed: never
/// early, late by at most one tick.
///
/// A timer lies in the slot of the highest digit (base 64) in which its
/// deadline differs from the current tick, so that every occupied slot lies
/// ahead and the lowest bit of the lowest occupied level is the next thing to
/// do. A timer moves down at most once per level on its way.
#[derive(Debug)]
pub(super) struct TimerWheel<K> {
    timers: Vec<Timer<K>>,
    free: Vec<u32>,
    heads: [u32; LEVELS * SLOTS + 1],
    occupied: [u64; LEVELS],
    now_tick: u64,
}

#[derive(Debug)]
pub(super) struct Timer<K> {
    key: K,
    deadline_tick: u64,
    list: u16,
    previous: u32,
    next: u32,
}

impl<K: Copy> TimerWheel<K> {
    /// A wheel without timers that starts at `now`.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            timers: Vec::new(),
            free: Vec::new(),
            heads: [NONE; LEVELS * SLOTS + 1],
            occupied: [0; LEVELS],
            now_tick: now.as_nanos() >> TICK_SHIFT,
        }
    }

    /// A new timer, not armed.
    pub(super) fn create(&mut self, key: K) -> TimerId {
        let timer = Timer { key, deadline_tick: 0, list: NOWHERE, previous: NONE, next: NONE };
        if let Some(index) = self.free.pop() {
            self.timers[index as usize] = timer;
            return TimerId(index);
        }
        // Not doubled: of many timers at most a fifth of the room is unused.
        if self.timers.len() == self.timers.capacity() {
            self.timers.reserve_exact((self.timers.len() / 4).max(64));
        }
        self.timers.push(timer);
        TimerId((self.timers.len() - 1) as u32)
    }

    /// Gives the timer back. Its id is used again.
    pub(super) fn destroy(&mut self, id: TimerId) {
        self.disarm(id);
        self.free.push(id.0);
    }

    /// Arms the timer, or moves it; `None` disarms it. Nothing is done if the
    /// deadline is in the same tick as before.
    pub(super) fn set(&mut self, id: TimerId, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return self.disarm(id) };
        // Rounded up: never early.
        let tick = deadline.as_nanos().div_ceil(1 << TICK_SHIFT);
        let timer = &mut self.timers[id.0 as usize];
        if timer.list != NOWHERE && timer.deadline_tick == tick {
            return;
        }
        self.disarm(id);
        self.timers[id.0 as usize].deadline_tick = tick;
        self.link(id.0);
    }

    /// The time of the next call of [`expire`](Self::expire) that does
    /// something: at or before the next deadline, rounded up to a tick.
    pub(super) fn poll_deadline(&self) -> Option<Instant> {
        if self.heads[usize::from(DUE)] != NONE {
            return Some(Instant::from_nanos(self.now_tick << TICK_SHIFT));
        }
        self.next_slot().map(|(_, tick)| Instant::from_nanos(tick.saturating_mul(1 << TICK_SHIFT)))
    }

    /// The key of a timer whose deadline has passed; it is disarmed. `None`
    /// when there is none left.
    pub(super) fn expire(&mut self, now: Instant) -> Option<K> {
        let target = now.as_nanos() >> TICK_SHIFT;
        while self.heads[usize::from(DUE)] == NONE {
            match self.next_slot() {
                Some((list, tick)) if tick <= target => self.open_slot(list, tick),
                _ => break,
            }
        }
        let first = self.heads[usize::from(DUE)];
        if first == NONE {
            self.now_tick = self.now_tick.max(target);
            return None;
        }
        self.unlink(first);
        Some(self.timers[first as usize].key)
    }

    fn disarm(&mut self, id: TimerId) {
        if self.timers[id.0 as usize].list != NOWHERE {
            self.unlink(id.0);
        }
    }

    /// The next occupied slot and the tick at which it begins.
    fn next_slot(&self) -> Option<(u16, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        let shift = SLOT_SHIFT * level as u32;
        let above = self.now_tick >> (shift + SLOT_SHIFT) << (shift + SLOT_SHIFT);
        Some(((level as u32 * SLOTS as u32 + slot) as u16, above | u64::from(slot) << shift))
    }

    /// Moves time to the slot's begin and its timers to lower levels.
    fn open_slot(&mut self, list: u16, tick: u64) {
        self.now_tick = tick;
        while self.heads[usize::from(list)] != NONE {
            let index = self.heads[usize::from(list)];
            self.unlink(index);
            self.link(index);
        }
    }

    fn list_of(&self, tick: u64) -> u16 {
        if tick <= self.now_tick {
            return DUE;
        }
        let level = (tick ^ self.now_tick).ilog2() / SLOT_SHIFT;
        let slot = tick >> (level * SLOT_SHIFT) & (SLOTS as u64 - 1);
        (level as u64 * SLOTS as u64 + slot) as u16
    }

    fn link(&mut self, index: u32) {
        let list = self.list_of(self.timers[index as usize].deadline_tick);
        let next = self.heads[usize::from(list)];
        let timer = &mut self.timers[index as usize];
        timer.list = list;
        timer.previous = NONE;
        timer.next = next;
        if let Some(next) = self.timers.get_mut(next as usize) {
            next.previous = index;
        }
        self.heads[usize::from(list)] = index;
        if list != DUE {
            self.occupied[usize::from(list) / SLOTS] |= 1 << (usize::from(list) % SLOTS);
        }
    }

    fn unlink(&mut self, index: u32) {
        let timer = &mut self.timers[index as usize];
        let (list, previous, next) = (timer.list, timer.previous, timer.next);
        timer.list = NOWHERE;
        if let Some(next) = self.timers.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.timers.get_mut(previous as usize) {
            previous.next = next;
            return;
        }
        self.heads[usize::from(list)] = next;
        if next == NONE && list != DUE {
            self.occupied[usize::from(list) / SLOTS] &= !(1 << (usize::from(list) % SLOTS));
        }
    }
}
