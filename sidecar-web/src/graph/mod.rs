//! Graphs: librrd draws them, in processes of its own.

pub mod axis;
pub mod drawing;
mod legend;
mod librrd;
pub mod pictures;
pub mod pool;
mod protocol;
pub mod size;
pub mod theme;
pub mod worker;
