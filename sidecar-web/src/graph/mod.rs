//! Graphs: librrd draws them, in processes of its own.

pub mod axis;
pub mod drawing;
pub mod drawn;
mod legend;
mod librrd;
pub mod number_format;
pub mod numbers;
pub mod outputs;
pub mod pool;
pub mod previous;
pub mod protocol;
pub mod size;
pub mod theme;
pub mod worker;
