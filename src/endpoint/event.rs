//! What the application is told.

use crate::base::{ConnectionId, ListenerId};
use crate::mptcp::CloseReason;

/// News of a connection. Each kind is pending at most once per connection: the
/// application that hears [`Readable`](Self::Readable) reads until there is
/// nothing left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A listener has a new connection. It is the application's from now on.
    Accepted {
        /// Who listened.
        listener: ListenerId,
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection that the application opened is established.
    Connected(ConnectionId),
    /// There is something to read.
    Readable(ConnectionId),
    /// There is room to write again.
    Writable(ConnectionId),
    /// What the peer sent ends here: once read, nothing more comes.
    PeerFinished(ConnectionId),
    /// No data moves any more, for this reason. What came before can still be
    /// read.
    Closed(ConnectionId, CloseReason),
}

/// The kinds of news that wait to be told, in the order of telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending(u8);

/// One kind of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum News {
    Accepted,
    Connected,
    Readable,
    Writable,
    PeerFinished,
    Closed,
}

impl Pending {
    const ORDER: [News; 6] =
        [News::Accepted, News::Connected, News::Readable, News::Writable, News::PeerFinished, News::Closed];

    pub(super) const fn insert(&mut self, news: News) {
        self.0 |= 1 << news as u8;
    }

    pub(super) fn take_first(&mut self) -> Option<News> {
        let first = *Self::ORDER.get(self.0.trailing_zeros() as usize)?;
        self.0 &= self.0 - 1;
        Some(first)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn clear(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_kind_once_and_in_order() {
        let mut pending = Pending::default();
        for news in [News::Closed, News::Readable, News::Connected, News::Readable] {
            pending.insert(news);
        }
        let told: Vec<_> = std::iter::from_fn(|| pending.take_first()).collect();
        assert_eq!(told, [News::Connected, News::Readable, News::Closed]);
        assert!(pending.is_empty());
    }
}
