//! Endpoints of two cores and of one, over Unix sockets.
