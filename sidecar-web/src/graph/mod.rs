//! Graphs: drawn in processes of their own, by librrd or, as SVG, by ourselves with its values.

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
mod svg;
pub mod theme;
pub mod worker;
