import { collect } from './body/collect.ts'
import { readDocuments } from './body/read.ts'
import { commandOf, readGroup } from './body/wishes.ts'
import type { DoorApp, DoorContext } from './door.ts'
import { write, writeContext, writeHeaders, writeQuery } from './middleware/write.ts'
import { mount } from './mount.ts'
import { accepts } from './reply/accept.ts'
import { replyJson } from './reply/json.ts'
import { refuse } from './reply/problem.ts'
import { spellFindings } from './reply/spell.ts'
import { hashed, wishBody, withWarnings } from './reserve.ts'
import { ANY_BODY, ANY_CALL, refusals } from './schema/problem.ts'
import { body, reply, validationReply } from './schema/replies.ts'

const route = {
  method: 'post',
  path: '/v1/validate',
  summary: 'Say what reserve would say',
  description:
    'Changes nothing. A body that can be read gives 200 with findings; one that cannot is refused as by reserve.',
  request: { query: writeQuery, headers: writeHeaders, body: body(wishBody) },
  responses: {
    200: reply('What is wrong, or what reserve would give now.', validationReply),
    ...refusals(...ANY_BODY, ...ANY_CALL),
  },
} as const

/** POST /v1/validate */
export function mountValidate(app: DoorApp): void {
  mount(app, route, accepts('json'), write(), validate)
}

async function validate(c: DoorContext): Promise<Response> {
  const documents = await readDocuments(c.req.raw)
  if (!documents.ok) return refuse(c, documents.error)
  const collection = collect(documents.value)
  const group = collection.ok ? readGroup(collection.value) : collection
  if (!group.ok) {
    const { findings } = group.error
    return findings ? replyJson(c, { allowed: false, findings }) : refuse(c, group.error)
  }
  const { wishes, block } = group.value
  const asked = commandOf(group.value)
  const command = { ...(await writeContext(c, hashed(asked))), ...asked, dryRun: true }
  const { allowed, findings, preview } = await c.var.berth().validate(command)
  const list = (collection.ok && collection.value.list) || block !== undefined
  const previews = preview && withWarnings(preview, wishes)
  return replyJson(c, {
    allowed,
    findings: spellFindings(findings, wishes, list),
    ...(previews ? { preview: list ? { items: previews } : previews[0] } : {}),
  })
}
