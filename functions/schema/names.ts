import { z } from '@hono/zod-openapi'
import type { ProblemCode } from '../../shared/problem.ts'

/** RFC 1123 label as Kubernetes has it (IsDNS1123Label). */
const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
/** RFC 1123 subdomain as Kubernetes has it (IsDNS1123Subdomain). */
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

interface NameRule {
  readonly pattern: RegExp
  readonly maxLength: number
  readonly words: string
}

export const NAMESPACE: NameRule = { pattern: LABEL, maxLength: 63, words: 'a DNS-1123 label' }
export const OBJECT_NAME: NameRule = { pattern: SUBDOMAIN, maxLength: 253, words: 'a DNS-1123 subdomain' }
/** Kube-OVN writes the Subnet's name into a label value, and longer ones fail for ever (D28). */
export const SUBNET_NAME: NameRule = { pattern: SUBDOMAIN, maxLength: 63, words: 'a DNS-1123 subdomain' }

/** What is wrong with a name, as the end of a sentence; `undefined` if nothing is. Length first: the patterns see short text only. */
export function nameComplaint(rule: NameRule, name: string): string | undefined {
  if (name.length > rule.maxLength) return `is longer than ${rule.maxLength} characters`
  return rule.pattern.test(name) ? undefined : `must be ${rule.words} (a-z, 0-9, -)`
}

/** `name` of a qualified name, and a label's value [k8s.io/apimachinery/pkg/util/validation]. */
const NAME_PART = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const NAME_PART_LIMIT = 63

/** What is wrong with `[prefix/]name`, the form of label keys, annotation keys and finalizers. */
export function qualifiedComplaint(text: string): string | undefined {
  const slash = text.indexOf('/')
  const name = text.slice(slash + 1)
  const isName = name.length <= NAME_PART_LIMIT && NAME_PART.test(name)
  const isPrefix = slash < 0 || nameComplaint(OBJECT_NAME, text.slice(0, slash)) === undefined
  return isName && isPrefix ? undefined : 'is not a qualified name (prefix/name)'
}

/** What is wrong with a label's value. */
export function labelComplaint(value: string): string | undefined {
  const fits = value === '' || (value.length <= NAME_PART_LIMIT && NAME_PART.test(value))
  return fits ? undefined : 'is not a label value (up to 63 of A-Z, a-z, 0-9, -, _ and .)'
}

/** A string that a rule of ours judges; the issue carries the problem's code. */
export function judged(code: ProblemCode, judge: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const complaint = judge(value)
    if (complaint === undefined) return
    context.addIssue({ code: 'custom', message: complaint, params: { code } })
  })
}

/** A name that must be there. "" is as good as absent. */
export function requiredName(rule: NameRule) {
  return z
    .string()
    .superRefine((value, context) => {
      const code: ProblemCode = value === '' ? 'invalid_field' : 'invalid_name'
      const complaint = value === '' ? 'is required' : nameComplaint(rule, value)
      if (complaint !== undefined) context.addIssue({ code: 'custom', message: complaint, params: { code } })
    })
    .openapi({ pattern: rule.pattern.source, minLength: 1, maxLength: rule.maxLength })
}

/** A name that may be absent, null or "". */
export function optionalName(rule: NameRule) {
  return judged('invalid_name', (value) => (value === '' ? undefined : nameComplaint(rule, value)))
    .nullish()
    .openapi({ maxLength: rule.maxLength })
}

/** Text of bounded length whose meaning the core checks. Absent, null and "" are the same. */
export function optionalText(maxLength: number, code: ProblemCode = 'invalid_field') {
  return judged(code, (value) =>
    value.length > maxLength ? `is longer than ${maxLength} characters` : undefined,
  )
    .nullish()
    .openapi({ maxLength })
}

export const REASON_LIMIT = 1024

/** Why, in the caller's words. Control characters other than tab and newline would reach terminals and logs. */
export function reasonComplaint(value: string): string | undefined {
  if (value.length > REASON_LIMIT) return `is longer than ${REASON_LIMIT} characters`
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at)
    if ((unit < 0x20 && unit !== 0x09 && unit !== 0x0a) || (unit >= 0x7f && unit < 0xa0))
      return 'must not hold control characters'
  }
  return undefined
}

export const reason = judged('invalid_field', reasonComplaint).nullish().openapi({ maxLength: REASON_LIMIT })
