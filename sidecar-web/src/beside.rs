//! Work done beside each other.

use tokio::task::JoinSet;

/// Does all of these beside each other, and has what came of them in their order. What is under way
/// ends where the caller goes away.
pub async fn each_other<T, F>(works: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for (place, work) in works.into_iter().enumerate() {
        under_way.spawn(async move { (place, work.await) });
    }
    let mut done = under_way.join_all().await;
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_stand_in_the_order_of_the_works_whichever_ends_first() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let (mut tell, mut told) = (Some(tell), Some(told));
        let works = (0..2).map(|number| {
            // The first waits for the second.
            let tell = if number == 1 { tell.take() } else { None };
            let told = if number == 0 { told.take() } else { None };
            async move {
                if let Some(told) = told {
                    told.await.unwrap();
                }
                if let Some(tell) = tell {
                    tell.send(()).unwrap();
                }
                number
            }
        });
        assert_eq!(each_other(works).await, [0, 1]);
    }
}
