//! What follows when something happened to connections: their events are
//! taken in, their timers moved, and those that are over removed.

use super::Endpoint;
use super::event::{Event, News};
use super::slot::{Body, Slot, Standing, Transmit, tuple_of};
use crate::base::{ConnectionId, Context, FourTuple, Packet, Queue, SubflowId};
use crate::endpoint::demux::Owner;
use crate::mptcp::{self, CloseReason};

impl<P: Packet> Endpoint<P> {
    /// The next news for the application; `None`: there is none now.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        self.settle(cx);
        loop {
            let id = *self.noticed.front()?;
            let news = self.slot_mut(id).and_then(|slot| slot.news.take_first());
            let event = news.and_then(|news| self.tell(id, news));
            if self.slot(id).is_none_or(|slot| slot.news.is_empty()) {
                self.noticed.pop_front();
                if let Some(slot) = self.slot_mut(id) {
                    slot.queued.news = false;
                }
                self.remove_if_over(id);
            }
            if event.is_some() {
                return event;
            }
        }
    }

    fn tell(&mut self, id: ConnectionId, news: News) -> Option<Event> {
        let slot = self.connections.get_mut(id.index, id.generation)?;
        Some(match news {
            News::Accepted => {
                let Standing::Unannounced(listener) = slot.standing else { return None };
                slot.standing = Standing::Announced;
                self.listeners.add_unannounced(listener, -1);
                Event::Accepted { listener, connection: id }
            }
            News::Connected => Event::Connected(id),
            News::Readable => Event::Readable(id),
            News::Writable => Event::Writable(id),
            News::PeerFinished => Event::PeerFinished(id),
            News::Closed => Event::Closed(id, slot.closed?),
        })
    }

    /// Takes in the events and deadlines of every touched connection.
    #[inline]
    pub(super) fn settle(&mut self, cx: &mut Context<'_>) {
        if !self.touched.is_empty() {
            self.settle_touched(cx);
        }
    }

    // Out of line, so that who settles for nothing does not pay for it.
    #[inline(never)]
    fn settle_touched(&mut self, cx: &mut Context<'_>) {
        while let Some(id) = self.touched.pop() {
            self.settle_one(cx, id);
        }
    }

    fn settle_one(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        while let Some(event) = self.next_event_of(id) {
            self.apply(cx, id, event);
        }
    }

    /// The next event of a touched connection. With the last one gone, its timer
    /// is moved, and it goes if it is over.
    fn next_event_of(&mut self, id: ConnectionId) -> Option<mptcp::Event> {
        let slot = self.connections.get_mut(id.index, id.generation)?;
        if let Body::Live(connection) = &mut slot.body
            && let Some(event) = connection.poll_event()
        {
            return Some(event);
        }
        slot.queued.touched = false;
        if slot.is_over() {
            self.forget(id);
            return None;
        }
        // What it is about to send changes its deadlines again: they are looked at after that.
        if slot.queued.transmit == Transmit::InTurn {
            return None;
        }
        let deadline = match &slot.body {
            Body::Live(connection) => connection.poll_deadline(),
            Body::Remains(_) => None,
        };
        self.wheel.set(slot.timer, deadline);
        None
    }

    fn apply(&mut self, cx: &mut Context<'_>, id: ConnectionId, event: mptcp::Event) {
        match event {
            mptcp::Event::Established => self.establish(cx, id),
            mptcp::Event::Readable => self.notice(id, News::Readable),
            mptcp::Event::Writable => self.notice(id, News::Writable),
            mptcp::Event::PeerFinished => self.notice(id, News::PeerFinished),
            mptcp::Event::OpenSubflow { local, remote, remote_id } => {
                self.open_subflow(cx, id, local, remote, remote_id);
            }
            mptcp::Event::SubflowClosed { subflow, tuple, time_wait } => {
                let tuple = FourTuple::from(tuple);
                self.remove_way(id, subflow, &tuple);
                match time_wait {
                    Some(rest) => self.begin_time_wait(cx, &tuple, rest),
                    None => self.disclaim_tuple(&tuple),
                }
            }
            mptcp::Event::Closed(reason) => self.close_slot(id, reason),
            mptcp::Event::Finished => self.finish(id),
        }
    }

    fn establish(&mut self, cx: &mut Context<'_>, id: ConnectionId) {
        let Some(slot) = self.slot_mut(id) else { return };
        let Standing::HalfOpen(listener, order) = slot.standing else {
            return self.notice(id, News::Connected);
        };
        slot.standing = Standing::Unannounced(listener);
        self.listeners.end(listener, order);
        if self.listeners.address(listener).is_some() {
            self.listeners.add_unannounced(listener, 1);
            self.notice(id, News::Accepted);
        } else {
            self.abort(cx, id);
        }
    }

    /// Who never was announced is not the application's: nobody reads it.
    fn close_slot(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(slot) = self.slot_mut(id) else { return };
        slot.closed = Some(reason);
        if let Standing::HalfOpen(..) = slot.standing {
            slot.released = true;
        }
        self.notice(id, News::Closed);
        self.retire(id);
    }

    fn remove_way(&mut self, id: ConnectionId, subflow: SubflowId, tuple: &FourTuple) {
        self.demux.remove(tuple, Owner { connection: id, subflow });
        if let Some(way) = self.slot_mut(id).and_then(|slot| slot.ways.get_mut(usize::from(subflow.0)))
            && way.as_ref().is_some_and(|way| way.header.leads(tuple))
        {
            *way = None;
        }
    }

    /// Nothing is left of a connection but what the application has not read.
    fn finish(&mut self, id: ConnectionId) {
        let Some(slot) = self.connections.get_mut(id.index, id.generation) else { return };
        let mut unread = Queue::new();
        if let Body::Live(connection) = &mut slot.body {
            self.demux.remove_token(slot.token);
            if !slot.released {
                unread.extend(std::iter::from_fn(|| connection.read()));
            }
        }
        let ways = std::mem::take(&mut slot.ways);
        slot.body = Body::Remains(unread);
        for way in ways.iter().enumerate() {
            let Some((tuple, owner)) = tuple_of(id, way) else { continue };
            self.demux.remove(&tuple, owner);
            self.disclaim_tuple(&tuple);
        }
    }

    /// Removes a connection that nobody will ask for any more.
    pub(super) fn remove_if_over(&mut self, id: ConnectionId) {
        if self.slot(id).is_some_and(Slot::is_over) {
            self.forget(id);
        }
    }

    /// A connection that a listener counted is gone or the application's.
    pub(super) fn stand_down(&mut self, standing: Standing) {
        match standing {
            Standing::HalfOpen(listener, order) => self.listeners.end(listener, order),
            Standing::Unannounced(listener) => self.listeners.add_unannounced(listener, -1),
            Standing::Announced => {}
        }
    }
}
