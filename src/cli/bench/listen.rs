//! What the programs inside the engine tell, one on each core.

use crate::bench::{Measured, News};
use crate::cli::signals::EndSignals;
use std::sync::mpsc::Receiver;

/// How it ended.
pub(super) enum End {
    Done(Vec<Measured>),
    Signal(i32),
    Failed(String),
}

/// Collects what the cores tell.
pub(super) async fn listen(from_cores: Vec<Receiver<News>>, mut signals: EndSignals) -> End {
    let (sender, mut news) = tokio::sync::mpsc::unbounded_channel();
    let mut runs: Vec<Vec<Measured>> = from_cores.iter().map(|_| Vec::new()).collect();
    let mut under_way = from_cores.len();
    for (core, told) in from_cores.into_iter().enumerate() {
        let sender = sender.clone();
        // Engine threads know nothing of tokio: these wait for them.
        let forward = move || {
            while let Ok(item) = told.recv()
                && sender.send((core, item)).is_ok()
            {}
        };
        drop(std::thread::Builder::new().name("mpdk-bench".into()).spawn(forward));
    }
    drop(sender);
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => return End::Signal(signal),
            item = news.recv() => match item {
                Some((core, News::Measured(measured))) => runs[core].push(measured),
                Some((_, News::Done)) => under_way -= 1,
                Some((_, News::Failed(reason))) => return End::Failed(reason),
                None => return End::Failed("the engine has ended".into()),
            },
        }
        if under_way == 0 {
            return End::Done(together(runs));
        }
    }
}

/// Each run over all cores.
fn together(cores: Vec<Vec<Measured>>) -> Vec<Measured> {
    let mut cores: Vec<_> = cores.into_iter().map(Vec::into_iter).collect();
    std::iter::from_fn(|| Measured::join(cores.iter_mut().map(Iterator::next).collect::<Option<_>>()?))
        .collect()
}
