//! `KURADO.META` and its subcommands: each has flags of its own, so that reading works on a replica
//! and past `maxmemory`.

use std::ffi::{CStr, c_int};

use redis_module::{Context, RedisResult, RedisString, decode_args, raw};

use crate::commands::meta;
use crate::guard::guarded;

/// Makes the command, which does nothing itself, and its subcommands.
///
/// # Errors
/// Where Redis refuses.
pub fn register(ctx: &Context) -> Result<(), String> {
    let subcommands: [(&CStr, raw::RedisModuleCmdFunc, &CStr); 4] = [
        (c"set", Some(set), c"write deny-oom"),
        (c"get", Some(get), c"readonly"),
        (c"del", Some(del), c"write"),
        (c"help", Some(help), c"allow-loading allow-stale"),
    ];
    let name = c"kurado.meta".as_ptr();
    // SAFETY: Redis filled in these pointers before it called the module.
    let calls = unsafe {
        (
            raw::RedisModule_CreateCommand,
            raw::RedisModule_GetCommand,
            raw::RedisModule_CreateSubcommand,
        )
    };
    let (Some(create), Some(find), Some(add)) = calls else {
        return Err("this server is too old; Redis 7.0 or later is needed".to_owned());
    };
    // SAFETY: `ctx` is valid during load, the texts end with NUL, and the callbacks are functions
    // of this library.
    unsafe {
        let ok = raw::REDISMODULE_OK as c_int;
        let made = create(ctx.get_raw(), name, None, c"".as_ptr(), 0, 0, 0) == ok;
        let parent = find(ctx.get_raw(), name);
        if !made || parent.is_null() {
            return Err("the server refuses the command KURADO.META".to_owned());
        }
        for (name, function, flags) in subcommands {
            if add(parent, name.as_ptr(), function, flags.as_ptr(), 0, 0, 0) != ok {
                return Err(format!("the server refuses the subcommand {name:?} of KURADO.META"));
            }
        }
    }
    Ok(())
}

type Ctx = *mut raw::RedisModuleCtx;
type Words = *mut *mut raw::RedisModuleString;

unsafe extern "C" fn set(ctx: Ctx, words: Words, count: c_int) -> c_int {
    run(ctx, words, count, meta::set)
}

unsafe extern "C" fn get(ctx: Ctx, words: Words, count: c_int) -> c_int {
    run(ctx, words, count, meta::get)
}

unsafe extern "C" fn del(ctx: Ctx, words: Words, count: c_int) -> c_int {
    run(ctx, words, count, meta::delete)
}

unsafe extern "C" fn help(ctx: Ctx, words: Words, count: c_int) -> c_int {
    run(ctx, words, count, meta::help)
}

fn run(
    ctx: Ctx,
    words: Words,
    count: c_int,
    command: fn(&Context, Vec<RedisString>) -> RedisResult,
) -> c_int {
    let words = decode_args(ctx, words, count);
    let ctx = Context::new(ctx);
    ctx.reply(guarded(&ctx, words, command)) as c_int
}
