//! Japanese.
//!
//! Words: host ホスト, service サービス, plugin プラグイン, graph グラフ, series 系列, point
//! データポイント, line 行, to push プッシュ, poller ポーラー, pipeline パイプライン, roll ロール;
//! status 状態: OK 正常, warning 警告, critical 異常, unknown 不明; last received 最終受信, never
//! received 未受信; period 期間, to compare 比較, configuration 設定, to delete 削除. Buttons and
//! headings are nouns; sentences are in です・ます.

use super::Texts;

/// Its texts.
pub static TEXTS: Texts = Texts {
    tag: "ja",
    own_name: "日本語",

    place: "現在の位置",
    options: "オプション",
    colors: "配色",
    language: "言語 (Language)",
    auto: "自動",
    light: "ライト",
    dark: "ダーク",
    refresh_each_minute: "1分ごとに更新",
    small_header: "ヘッダーを縮小",
    help: "ヘルプ",
    close: "閉じる",
    log_out: "ログアウト",

    help_drag: "グラフ上をドラッグ",
    help_drag_does: "その期間を表示。離す前に Esc で取り消し",
    help_arrows_do: "期間の半分だけ前後に移動",
    help_signs_do: "拡大・縮小",
    help_shift_arrows_do: "フォーカスのあるグラフで値を時刻ごとに表示",
    help_slash_does: "ホスト一覧を絞り込み",
    help_and_click: "+ クリック",
    help_shift_click_does: "2つのホストの間をすべて選択",

    configuration_of_before: "変更前の設定で動作しています。",
    redis_away: "状態は不明です。表示内容は古いか、一部が欠けている可能性があります。",
    data_dir_wrong: "データディレクトリに問題があります。",
    poller_away: "現在、取得を行うポーラーがありません。停止している場合は kurado-poller を起動してください。",
    a_poller_away: "これまで取得していたポーラーの一つが取得を行っていません。停止している場合は再度起動してください。",
    no_answer: "kurado-web が応答しません。表示内容は古い可能性があります。このページは自動的に再接続します。",

    ok: "正常",
    warning: "警告",
    critical: "異常",
    unknown: "不明",

    filter_hosts: "ホストの絞り込み",
    filter_hint: "名前・アドレス・コメントで絞り込み",
    services: "サービス",
    all_services: "すべてのサービス",
    no_host_configured: "ホストがまだ設定されていません。サービスとホストは kurado.yml に記述します。",
    hosts: "ホスト",
    show_only: "次の状態のホストだけを表示",
    problems_first: "問題のあるホストを先頭に",
    open_in_new_window: "新しいウィンドウで開く",
    open_checked: "選択したホストを開く",
    uncheck_all: "選択を解除",
    check_host: |host| format!("{host} を選択"),
    no_host_matches: "該当するホストはありません。",

    warnings: "警告",
    last_received: "最終受信",
    last_received_at: "最終受信",
    never: "未受信",
    not_updated: "直近5分間、メトリクスが更新されていません",
    never_updated: "メトリクスを一度も受信していません",
    has_new_address: "アドレスが変わった場合…",
    delete_data_of_this_host: "このホストのデータを削除…",
    servers: |count| format!("サーバー{count}台"),
    servers_side_by_side: |count| format!("サーバー{count}台を並べて表示"),

    period: "期間",
    nearby: "前後の期間",
    from: "開始",
    to: "終了",
    show: "表示",
    times_and_comparison: "期間指定と比較",
    compare_with: "比較対象",
    nothing: "なし",
    plugins: "プラグイン",
    all: "すべて",
    all_plugins: "すべてのプラグイン",
    half_back: "期間の半分だけ戻る",
    half_forward: "期間の半分だけ進む",
    zoom_in: "拡大",
    zoom_out: "縮小",
    hour: "1時間",
    four_hours: "4時間",
    eight_hours: "8時間",
    day: "1日",
    three_days: "3日",
    week: "1週間",
    month: "1か月",
    year: "1年",
    day_before: "前日",
    week_before: "前週",
    four_weeks_before: "4週間前",
    compare_with_before: |before| format!("{before}と比較（淡い線で表示）"),

    from_to: |from, to| format!("{from} から {to} まで"),
    graph_of: |graph, host| format!("{host} の {graph}"),
    series: "系列",
    last: "最新",
    average: "平均",
    min: "最小",
    max: "最大",
    download: "ダウンロード:",
    definition: "定義",
    command: "このグラフを描く rrdtool コマンド",

    nothing_of_host: |address| format!("データなし: ホスト {address} からは一度も受信していません"),
    nothing_of_plugin: |plugin| {
        format!("データなし: このホストのプラグイン {plugin} は一度も受信していません")
    },
    no_file_yet: |series| format!("ファイルなし: {series}"),
    no_file_yet_waits: |series, why| {
        format!("ファイルなし: {series}。受信済みのデータが書き込み待ちの可能性があります: {why}")
    },
    series_never_received: |_, series| format!("データなし: {series} は一度も受信していません"),
    and_more_series: |series, more| format!("{series} ほか{more}件"),
    redis_is_slow: "Redis の書き込みに時間がかかっています",
    graph_not_defined: "グラフが定義されていません",
    plugin_not_defined: |plugin, name| {
        format!(
            "{plugin} の表示方法が定義されていません。定義ファイル {name}.toml も表示プログラム \
             view/{name} もありません"
        )
    },
    view_program: |program, reason| format!("表示プログラム {program}: {reason}"),
    program_not_ready: "まだ完了していません。再読み込みすると結果が表示されます",
    program_had_no_turn: |seconds| {
        format!(
            "ほかの表示プログラムに時間がかかり、{seconds}秒以内に実行できませんでした。\
             再読み込みしてください"
        )
    },

    pipeline: "パイプライン",
    redis_says_nothing: "現在、Redis から情報を取得できません。",
    poller_heading: "ポーラー",
    poller: "ポーラー:",
    no_poller: "プラグイン kurado をロールに持つホストがありません。ポーラーが動作するホストの\
                ロールに追加すると、ここに数値が表示されます。",
    configuration: "設定",
    configuration_is_fine: "問題は見つかりません。kurado-poller check でさらに詳しく確認できます。",
    strangers: "どのサービスにも属さずにプッシュしているホスト",
    strangers_help: "表示するには、kurado.yml のサービスの hosts: に次の行を追加します。2番目の\
                     語が表示名です。",
    none: "ありません。",
    address: "アドレス",
    line: "追加する行",
    change: "変更",
    delete: "削除",
    rename_ask: "アドレス変更…",
    delete_ask: "削除…",
    and_more: |more| format!("ほか{more}件"),
    silent_hosts: "一度もデータを送っていないホスト",
    yes: "はい",
    no: "いいえ",
    lines_accepted: "受け付けた行",
    lines_a_second: "毎秒の行数",
    lines_rejected: "拒否した行",
    rejected: |reason| format!("拒否: {reason}"),
    pushes_refused: "拒否したプッシュ",
    count_and_recent: |count, recent| format!("{count}（直近5分間: {recent}）"),
    points_pending: "書き込み待ちポイント",
    bytes_pending: "書き込み待ちバイト",
    oldest_pending: "最も古い書き込み待ち（秒）",
    write_delay: "書き込み遅延（秒）",
    points_written: "毎秒の書き込みポイント",
    points_skipped: "スキップしたポイント",
    writing_paused: "書き込みの一時停止",
    write_errors: |reason| format!("書き込みエラー: {reason}"),
    durability: "永続性",
    data_directory: "データディレクトリ",
    poller_lease: "ポーラーのリース",
    poller_lease_of: |name| format!("ポーラー「{name}」のリース"),
    lease_free: "空き",
    lease_lost: |holder| format!("空き（以前: {holder}）"),
    targets: "監視対象",
    fetches: "毎分の取得",
    fetches_failed: "毎分の取得失敗",
    overruns: "毎分の時間超過",
    mean_duration: "平均所要時間（秒）",
    longest_duration: "最長所要時間（秒）",
    push_lag: "プッシュの遅れ（秒）",
    bytes_waiting: "送信待ちバイト",
    lines_lost: "毎分の失われた行",

    delete_data: "ホストのデータの削除",
    delete_data_of: |host| format!("{host} のデータの削除"),
    delete_means: "すべての系列とその履歴、メタ情報、警告が完全に削除されます。この操作は取り消せません。\
                   今後プッシュされるデータは新たに記録されます。",
    delete_confirm: "確認のため、アドレスを入力してください",
    cancel: "キャンセル",
    series_deleted: |count, address| format!("{address} の系列{count}件を削除しました。"),
    back_to_pipeline: "パイプラインに戻る",
    confirm_differs: |typed, address| {
        format!("入力された「{typed}」が、対象のアドレス {address} と一致しません")
    },

    new_address: "新しいアドレス",
    new_address_of: |host| format!("{host} の新しいアドレス"),
    rename_means: |address| {
        format!(
            "系列とその履歴、メタ情報、警告が新しいアドレスに引き継がれ、グラフは途切れずに続きます。\
             今後も {address} から届くデータは、別のホストとして新たに記録されます。"
        )
    },
    rename_configuration: |address| {
        format!(
            "kurado.yml の {address} を新しいアドレスに書き換える必要があります。表示とポーラーの取得は\
             この設定に従います。"
        )
    },
    rename_confirm: "確認のため、現在のアドレスを入力してください",
    rename_replace: "新しいアドレスの既存のデータを削除します。サーバーが新しいアドレスで数分間プッシュ\
                     している場合はデータがあり、その分はグラフから失われます。選択しない場合、データは残り、\
                     アドレスは変更されません。",
    rename: "アドレスを変更",
    renamed: |from, to| format!("{from} のデータは {to} に引き継がれました。"),
    renamed_configuration: |from, to| {
        format!(
            "kurado.yml にはまだこのアドレスのホストがありません。{from} を {to} に書き換えてください。\
             数秒後に次のページが表示されます:"
        )
    },
    its_page: "ホストのページ",

    log_in: "ログイン",
    name: "ユーザー名",
    password: "パスワード",
    sign_in_with: |provider| format!("{provider} でログイン"),
    or_with_password: "またはパスワードでログイン",
    provider_away: |provider| {
        format!("現在 {provider} が応答しないため、これを使ってログインできません。")
    },
    try_again: "再試行",
    sign_in_has_ended: "このログインは無効です。すでに使用されたか、10分を過ぎたか、別のブラウザーで\
                        開始されています。もう一度最初からやり直してください。",
    no_access: "アクセス権がありません",
    no_role: |provider, name| {
        format!(
            "{provider} に {name} としてログインしていますが、このアカウントには閲覧者 (viewer) の役割も\
             運用者 (operator) の役割もありません。この Kurado の管理者に依頼してください。"
        )
    },
    sign_in_as_other: "別のユーザーでログイン",
    back_to_login: "ログイン画面に戻る",
    logged_out: "ログアウトしました",
    logging_out_of: |provider| {
        format!("ここからログアウトしました。続けて {provider} からもログアウトします。")
    },
    go_on_to: |provider| format!("{provider} へ進む"),
    wrong_password: "ユーザー名またはパスワードが正しくありません",
    too_many_passwords: |seconds| {
        format!("パスワードの誤りが多すぎます。{seconds}秒後にもう一度お試しください")
    },

    bad_request: "不正なリクエスト",
    unauthorized: "ログインが必要です",
    forbidden: "アクセスが許可されていません",
    not_found: "見つかりません",
    method_not_allowed: "許可されていないメソッド",
    conflict: "競合しています",
    request_timeout: "リクエストの時間切れ",
    too_large: "リクエストが大きすぎます",
    too_many_requests: "リクエストが多すぎます",
    internal_error: "サーバー内部エラー",
    unavailable: "現在利用できません",
    error: "エラー",

    no_such_page: "このページはありません",
    no_such_host: |address| format!("アドレス「{address}」のホストは設定にありません"),
    no_such_service: |name| format!("サービス「{name}」は設定にありません"),
    for_operators: "この操作は運用者 (operator) だけが行えます。あなたは閲覧者 (viewer) です",
    form_is_old: "フォームのトークンかブラウザーの Cookie がありません。ページを再読み込みしてください",
    form_is_another: "フォームのトークンが Cookie と一致しません。ページを再読み込みしてください",

    alt: |alt| format!("{} の {} ({})、{}", alt.host, alt.label, alt.graph, alt.range),
    alt_series: "{name} 最新 {last}、最大 {max}",
    copy: "コピー",
    copy_address: "{address} をコピー",
    copied: "コピーしました",
    copy_not_allowed: "コピーできません",
    now: "現在",
    before: "以前",
    before_value: "以前 {value}",
    not_loaded: "このグラフを読み込めませんでした",
    refreshed: "{time} に更新",
    refreshed_past: "{time} に更新（過去の期間のグラフはそのまま）",
};
