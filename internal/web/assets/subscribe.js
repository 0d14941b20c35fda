// Does the work of the form before it is sent, and offers notifications of this browser. Without it the form has a second page.
import { solve, filled } from '/assets/puzzle.js'

for (const form of document.querySelectorAll('form[data-bits]')) {
  const said = form.querySelector('[role=status]')
  let busy = false
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (busy) return
    busy = true
    said.textContent = form.dataset.working
    const { challenge, work } = form.elements
    const address = String(new FormData(form).get('address')).trim()
    work.value = await solve(challenge.value, address, Number(form.dataset.bits))
    await filled(Number(form.dataset.seconds))
    form.submit()
  })
  // Whoever comes back to the page by the browser's own button may send it again.
  window.addEventListener('pageshow', () => {
    busy = false
    said.textContent = ''
    form.elements.work.value = ''
  })
}

const push = document.querySelector('[data-push]')
if (push && 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window) {
  const button = push.querySelector('button')
  const said = push.querySelector('[role=status]')
  push.hidden = false
  push.closest('section').hidden = false
  button.addEventListener('click', async () => {
    button.disabled = true
    said.textContent = push.dataset.working
    try {
      said.textContent = (await subscribe(push.dataset)) ? push.dataset.done : push.dataset.failed
    } catch (problem) {
      said.textContent = Notification.permission === 'denied' ? push.dataset.denied : push.dataset.failed
      console.warn(problem)
    }
    button.disabled = false
  })
}

async function subscribe({ push: key, worker, bits, seconds, challenge, language, lang, person }) {
  await navigator.serviceWorker.register(worker, { scope: '/' })
  const registration = await navigator.serviceWorker.ready
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) })
  const address = JSON.stringify(subscription)
  const topics = [...document.querySelectorAll('input[name=topics]:checked')].map((box) => box.value)
  const every = document.querySelector('input[name=everything]:checked')
  const work = await solve(challenge, address, Number(bits))
  await filled(Number(seconds))
  const answer = await fetch('/subscribe', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ channel: 'webpush', address, language, topics, everything: Boolean(every), lang, challenge, work, person }),
  })
  return answer.ok
}

const bytes = (base64url) => Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
