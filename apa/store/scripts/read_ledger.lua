-- The running totals, once expired reservations are released.
if not known_session() then
  return {'unknown_session'}
end
release_expired(now_ms())
return {'ok', field('spent'), field('reserved'), field('round_index'), field('num_events'), field('closed_at')}
