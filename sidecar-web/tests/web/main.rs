//! `kurado-web` as a process: files made by the real rrdtool, requests over a socket, a Redis that
//! is away. What needs Redis is tested end to end, in the workspace's `tests/`.

mod access;
mod assets;
mod faults;
mod graphs;
mod numbers;
mod observed;
mod process;
mod programs;
mod proxy;
mod refusals;
mod service_status;
mod serving;
mod theme;
mod tls;
