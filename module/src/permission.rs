//! ACL rules for hosts: their keys stand inside payloads, where Redis can't check them.

use std::ffi::c_int;

use redis_module::{Context, ContextFlags, RedisError, RedisString, raw};

use crate::host_key::checked_key_name;

/// What a command wants of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To know of it.
    Read,
    /// To change it.
    Write,
}

/// Checks that the client which runs a command may use a host. For commands only: the contexts of
/// timers and of replies to waiting clients have a client number left over from somebody else.
///
/// # Errors
/// Where this is no address, or an ACL rule denies the host's key.
pub fn check(ctx: &Context, address: &str, wish: Wish) -> Result<(), RedisError> {
    let name = checked_key_name(ctx, address)?;
    // What was accepted once may not be refused now.
    if ctx.get_flags().intersects(ContextFlags::LOADING | ContextFlags::REPLICATED) {
        return Ok(());
    }
    check_client(ctx, &name, wish)
}

/// The same of a host's key for a command that is known to come from a client, neither from the AOF
/// nor from a master.
///
/// # Errors
/// Where an ACL rule denies the key.
pub fn check_client(ctx: &Context, name: &RedisString, wish: Wish) -> Result<(), RedisError> {
    if may(ctx, name, wish) {
        return Ok(());
    }
    Err(RedisError::String(format!("NOPERM this user has no permission for key '{name}'")))
}

fn may(ctx: &Context, name: &RedisString, wish: Wish) -> bool {
    let wish = match wish {
        Wish::Read => raw::REDISMODULE_CMD_KEY_ACCESS,
        Wish::Write => raw::REDISMODULE_CMD_KEY_UPDATE,
    };
    // SAFETY: `ctx` is the context of a command, the key's name outlives the calls, and both the
    // user and its name are given back.
    unsafe {
        let (Some(client), Some(name_of), Some(find), Some(check), Some(free)) = (
            raw::RedisModule_GetClientId,
            raw::RedisModule_GetClientUserNameById,
            raw::RedisModule_GetModuleUserFromUserName,
            raw::RedisModule_ACLCheckKeyPermissions,
            raw::RedisModule_FreeModuleUser,
        ) else {
            return false;
        };
        // By number, as asking for the user of a context that has none kills Redis 7.0.
        let user_name = name_of(ctx.get_raw(), client(ctx.get_raw()));
        if user_name.is_null() {
            // A script, or another module: Redis has checked who may run these.
            return true;
        }
        let user = find(user_name);
        if let Some(free_string) = raw::RedisModule_FreeString {
            free_string(ctx.get_raw(), user_name);
        }
        if user.is_null() {
            return false;
        }
        let allowed = check(user, name.inner, wish as c_int) == raw::REDISMODULE_OK as c_int;
        free(user);
        allowed
    }
}
