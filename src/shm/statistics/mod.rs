//! What an engine's cores count, for whoever wants to look: one page of shared
//! memory per core, a file in a folder of the endpoint.
//!
//! A page is written by its core alone and never waits for a reader: a
//! publication is a handful of stores, and two cores never write to one cache
//! line. Readers find pages by the folder, and believe nothing that is in them:
//! lengths, counts and names are checked, and a page that is gone, cut short, of
//! another layout or none at all is [skipped](Skipped) with a reason.
//!
//! The names are in the page, so a reader shows what there is, whichever version
//! of the program it belongs to. `layout` says where everything lies, `sequence`
//! why a reader never sees half a publication.

mod error;
mod file;
mod layout;
mod page;
mod reader;
mod sequence;
mod snapshot;

#[cfg(all(test, not(loom)))]
mod tests;

pub use error::{SkipReason, Skipped, StatisticsError};
pub use layout::{COUNTERS_MOST, NAME_BYTES_MOST};
pub use page::StatisticsPage;
pub use reader::StatisticsReader;
pub use snapshot::{CoreStatistics, Statistics};

// For the models in `tests/statistics_models.rs`.
#[cfg(loom)]
pub use sequence::{SequenceWord, publish, read};
