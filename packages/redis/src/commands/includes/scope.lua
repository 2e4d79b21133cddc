-- A call with this scope may see a task of this owner. Kind: `any`, `owner`, `ownerOrUnowned` or `unowned`.
local function isInScope(kind, wanted, owner)
  if kind == 'any' then return true end
  if not owner then return kind ~= 'owner' end
  return kind ~= 'unowned' and owner == wanted
end
