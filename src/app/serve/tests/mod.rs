mod files;
mod limits;
mod listings;
mod log;
mod memory;
mod paths;
mod ranges;
mod uploads;
