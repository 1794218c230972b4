mod answers;
mod downloads;
mod failures;
mod resume;
