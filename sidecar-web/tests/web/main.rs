//! `kurado-web` as a process: files made by the real rrdtool, requests over a socket, a Redis that
//! is away. What needs Redis is tested end to end, in the workspace's `tests/`.

mod access;
mod assets;
mod drawings;
mod faults;
mod graphs;
mod hangup;
mod languages;
mod numbers;
mod observed;
mod oidc;
mod process;
mod programs;
mod provider;
mod proxy;
mod refusals;
mod security_headers;
mod service_status;
mod serving;
mod theme;
mod tls;
mod zone;
