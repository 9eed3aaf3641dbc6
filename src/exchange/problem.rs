//! Refusals and failures as the caller sees them: RFC 9457 problem details.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::rules;

/// Status numbers of the national service interface (0 to 99).
pub mod national {
    pub const OK: u8 = 0;
    /// 证照源未提供此服务接口
    pub const NO_SUCH_SERVICE: u8 = 2;
    /// 未找到匹配的证照信息
    pub const NOT_FOUND: u8 = 10;
    /// 身份验证不通过
    pub const NOT_AUTHENTICATED: u8 = 11;
    /// 要求必填的输入参数值不为空
    pub const MISSING_PARAMETER: u8 = 12;
    /// 证照类型不存在或未发布
    pub const UNKNOWN_TYPE: u8 = 13;
    /// 已废止或已注销
    pub const ENDED: u8 = 21;
    /// 已过期
    pub const EXPIRED: u8 = 22;
    /// 受限使用
    pub const RESTRICTED: u8 = 23;
    /// 其他异常
    pub const OTHER: u8 = 99;
}

/// One broken rule. `rule` is stable and names the rule; `detail` is for people and never carries
/// personal data or what the store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: u16,
    pub rule: Cow<'static, str>,
    pub detail: String,
    /// National status number.
    pub code: u8,
    /// Single faults of a body, where there are several.
    pub errors: Vec<Fault>,
}

/// A fault at one place of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub field: String,
    pub rule: String,
    pub detail: String,
}

impl Problem {
    fn new(status: u16, code: u8, rule: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, rule: rule.into(), detail: detail.into(), code, errors: Vec::new() }
    }

    /// 400: the request is not as the interface says.
    pub fn malformed(rule: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(400, national::OTHER, rule, detail)
    }

    /// 400: something that must be there is not.
    pub fn missing(rule: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(400, national::MISSING_PARAMETER, rule, detail)
    }

    /// 401: the caller did not show who it is.
    pub fn unauthenticated(rule: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(401, national::NOT_AUTHENTICATED, rule, detail)
    }

    /// 403: the caller may not.
    pub fn forbidden(rule: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(403, national::OTHER, rule, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, national::NOT_FOUND, rules::LICENCE_NOT_FOUND, detail)
    }

    /// 404: there is nothing of the id that the operator names.
    pub fn unknown_id(rule: &'static str, detail: impl Into<String>) -> Self {
        Self::new(404, national::OTHER, rule, detail)
    }

    pub fn unknown_type() -> Self {
        Self::new(400, national::UNKNOWN_TYPE, rules::TYPE_UNKNOWN, "no such licence type in the catalogue")
    }

    pub fn no_such_service() -> Self {
        Self::new(
            404,
            national::NO_SUCH_SERVICE,
            rules::SERVICE_UNKNOWN,
            "this path and method offer nothing",
        )
    }

    /// 409: the request contradicts what is there.
    pub fn conflict(rule: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(409, national::OTHER, rule, detail)
    }

    /// 415: the body is sent as something else than the path takes.
    pub fn media_type(detail: &'static str) -> Self {
        Self::new(415, national::OTHER, rules::REQUEST_MEDIA_TYPE, detail)
    }

    pub fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(413, national::OTHER, rules::REQUEST_TOO_LARGE, detail)
    }

    pub fn too_many(rule: &'static str, detail: &'static str) -> Self {
        Self::new(429, national::OTHER, rule, detail)
    }

    /// 500: the node's own fault. What happened is for the operator's log alone.
    pub fn internal() -> Self {
        Self::new(
            500,
            national::OTHER,
            rules::NODE_INTERNAL,
            "the node could not do this; its operator can see why",
        )
    }

    /// 503: this node does not offer it, or not now.
    pub fn unavailable(code: u8, rule: &'static str, detail: impl Into<String>) -> Self {
        Self::new(503, code, rule, detail)
    }

    /// 502 or 503: another city did not give a usable answer.
    pub fn peer(status: u16, rule: &'static str, detail: impl Into<String>) -> Self {
        Self::new(status, national::OTHER, rule, detail)
    }

    /// With the national number that says more.
    pub const fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Whether the node failed, rather than a rule refused.
    pub const fn is_failure(&self) -> bool {
        self.status >= 500
    }

    pub fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// The body; `type` is a URN under which `docs/api.md` explains the rule.
    pub fn body(&self, request_id: &str) -> Value {
        let mut body = json!({
            "type": format!("urn:licence-node:rule:{}", self.rule),
            "title": title(self.status),
            "status": self.status,
            "detail": self.detail,
            "rule": self.rule,
            "code": self.code,
            "requestId": request_id,
        });
        if let (Some(object), false) = (body.as_object_mut(), self.errors.is_empty()) {
            object.insert("errors".to_owned(), json!(self.errors));
        }
        body
    }
}

/// Turns a failure of a lower room into a problem: the caller learns that it failed, the operator why.
pub fn failed(what: &'static str, why: &dyn std::fmt::Display) -> Problem {
    tracing::error!(what, %why, "an operation failed");
    Problem::internal()
}

const fn title(status: u16) -> &'static str {
    match status {
        400 => "The request is not well formed (请求格式不正确)",
        401 => "The caller is not authenticated (身份验证不通过)",
        403 => "The caller may not do this (无权限)",
        404 => "Not found (未找到)",
        409 => "The request contradicts the present state (状态冲突)",
        413 => "The body is too large (请求体过大)",
        415 => "The body has another media type (媒体类型不支持)",
        429 => "Too many requests (请求过多)",
        502 => "Another city's node gave no usable answer (对端节点无有效应答)",
        503 => "Not available now (暂不可用)",
        _ => "The node failed (节点内部错误)",
    }
}
