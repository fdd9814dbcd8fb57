//! What `COMMAND DOCS` tells of each command.

use std::ffi::{CStr, c_int};

use redis_module::{Context, raw};

struct Doc {
    name: &'static CStr,
    summary: &'static CStr,
    /// Words of a call with the command; negative: at least so many.
    arity: c_int,
}

const DOCS: [Doc; 7] = [
    Doc {
        name: c"kurado.push",
        summary: c"Accepts agents' lines: [address TAB] plugin.type.key TAB value TAB unixtime",
        arity: -2,
    },
    Doc {
        name: c"kurado.meta",
        summary: c"Sets, gets or deletes information without history: SET payload..., GET address [plugin [key]], DEL address plugin [key]",
        arity: -3,
    },
    Doc {
        name: c"kurado.host",
        summary: c"Tells of a host: plugins, last received, meta, live warnings, series, pending points",
        arity: 2,
    },
    Doc {
        name: c"kurado.hosts",
        summary: c"Lists known hosts with when they were last received: [MATCH glob]",
        arity: -1,
    },
    Doc {
        name: c"kurado.series",
        summary: c"Lists the series of a host with type and last value: address [plugin]",
        arity: -2,
    },
    Doc {
        name: c"kurado.fetch",
        summary: c"Reads consolidated rows, pending points included: address plugin key cf start end [step]",
        arity: -7,
    },
    Doc {
        name: c"kurado.flush",
        summary: c"Returns when pending points are in their files: [address [plugin [key ...]]]",
        arity: -1,
    },
];

/// Redis compares these sizes to know which version of the structures a module was built with.
static VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// Adds summary and arity to the commands.
///
/// # Errors
/// Where Redis refuses one.
pub fn register(ctx: &Context) -> Result<(), String> {
    for doc in &DOCS {
        // SAFETY: a structure of pointers and numbers, for which all zeroes means "not given".
        let mut info: raw::RedisModuleCommandInfo = unsafe { std::mem::zeroed() };
        info.version = &VERSION;
        info.summary = doc.summary.as_ptr();
        info.since = c"0.1.0".as_ptr();
        info.arity = doc.arity;
        // SAFETY: `ctx` is valid during load, the name ends with NUL, and Redis copies `info`.
        let done = unsafe {
            let command =
                raw::RedisModule_GetCommand.map(|get| get(ctx.get_raw(), doc.name.as_ptr()));
            match (command, raw::RedisModule_SetCommandInfo) {
                (Some(command), Some(set)) if !command.is_null() => set(command, &info),
                _ => raw::REDISMODULE_ERR as c_int,
            }
        };
        if done != raw::REDISMODULE_OK as c_int {
            return Err(format!("the server refuses the description of {:?}", doc.name));
        }
    }
    Ok(())
}
